import cython

cdef long long _MASK


cdef class Secrets:
    cdef object _keyed
    cdef readonly long long timestamp_offset
    cdef object _cookies, _ports
    cpdef long long isn(self, bytes connection, long long now) except -1
    cpdef long long cookie(self, bytes connection, long long irs, long long period, long long bits) except -1
    cpdef long long port_offset(self, bytes ends) except -1
    @cython.locals(digest=bytes)
    cdef long long _hashed(self, object keyed, bytes octets) except -1
