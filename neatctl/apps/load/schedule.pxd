cimport cython


cdef class Schedule:
    cdef readonly long long next_us, taken
    cdef object _begin_us
    cdef long long _rate_milli, _step_us, _rest, _gathered
    @cython.locals(due_us=cython.longlong)
    cpdef long long take(self) except? -1


cdef class Line:
    cdef readonly long long length
    cdef long long _most, _at
    cdef long long[::1] _places, _within
    cpdef int join(self, long long number) except -1
    cpdef long long first(self) except? -2
    @cython.locals(number=cython.longlong)
    cpdef long long leave(self) except? -2
