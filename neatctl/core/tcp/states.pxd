import cython

cdef bytes _following
cdef long long _EVENTS, _NONE

@cython.locals(after=cython.longlong)
cpdef long long following(long long state, long long event) except -1
