import cython

from neatctl.core.native cimport Memory

cdef long long _ENHANCED_PACKET, _PACKET_HEADER, _MASK32, _ROOM


cdef class PcapngWriter:
    cdef readonly Memory memory
    cdef readonly long long used, interfaces
    cpdef long long interface(self, str name) except -1
    @cython.locals(padded=cython.longlong, length=cython.longlong, memory=Memory, place=cython.longlong)
    cpdef bint packet(self, long long interface, long long time_ns, Memory source, long long at, long long octets, Memory options) except -1
    cpdef bytes take(self)
