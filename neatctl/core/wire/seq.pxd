import cython

cdef long long _MASK, _HALF, _WRAP

@cython.locals(distance=cython.longlong)
cpdef long long unwrap(long long wire, long long near) noexcept
cpdef bint before(long long a, long long b) noexcept
