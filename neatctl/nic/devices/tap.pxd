from neatctl.core.native cimport Memory
from neatctl.nic.devices.face cimport Device

cdef long long _MOST, _REFUSED


cdef class Tap(Device):
    cdef int _fd
    cpdef long long read(self, Memory memory, long long at) except? -3
    cpdef long long write(self, Memory memory, long long at, long long octets) except? -3
