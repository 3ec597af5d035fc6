import cython

from neatctl.core.native cimport Memory

cdef long long _SECTION, _BYTE_ORDER, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET, _RECORD_HEADER
cdef long long _MAX_BLOCK, _MAX_WHOLE, _SECTION_HEADER, _INTERFACE_OCTETS, _NANO, _FAR_FUTURE, _MAX_CAPTURED, _PLACE

cdef long long _swap32(long long value) noexcept


cdef class Capture:
    cdef readonly Memory memory
    cdef readonly long long at, frames, truncated, undated, sections, interfaces, link
    cdef readonly bint cut
    cdef readonly str format
    cdef bint _swapped, _ended
    cdef long long _factor, _end, _base, _next
    cdef object _fill
    cdef Memory _interfaces
    @cython.locals(count=cython.longlong)
    cpdef long long batch(self, Memory places, long long room) except -1
    @cython.locals(came=cython.bint, rest=cython.longlong, read=cython.longlong)
    cdef bint _more(self) except -1
    @cython.locals(read=cython.longlong)
    cdef long long _read(self, long long at) except -1
    @cython.locals(count=cython.longlong, at=cython.longlong, rest=cython.longlong, captured=cython.longlong, time_ns=cython.longlong)
    cdef long long _batch_of_records(self, Memory places, long long room) except -1
    @cython.locals(count=cython.longlong, at=cython.longlong, rest=cython.longlong, kind=cython.longlong, octets=cython.longlong, used=cython.bint, placed=cython.longlong)
    cdef long long _batch_of_blocks(self, Memory places, long long room) except -1
    @cython.locals(interface=cython.longlong, described=cython.longlong, link=cython.longlong, data=cython.longlong, time_ns=cython.longlong, original=cython.longlong, snap=cython.longlong, captured=cython.longlong)
    cdef long long _packet(self, Memory places, long long count, long long kind, long long at, long long octets) except -2
    cdef long long _bad(self, long long count, long long at, str why) except -2
    @cython.locals(ticks=cython.longlong, divisor=cython.longlong, shift=cython.longlong, seconds=cython.longlong, time_ns=cython.longlong)
    cdef long long _time(self, long long described, long long high, long long low) except -1
    cdef _find_byte_order(self, long long at)
    @cython.locals(version=cython.longlong)
    cdef _begin_section(self, long long at)
    cdef _begin_interface(self, long long at, long long octets)
    cdef tuple _time_options(self, long long at, long long end)
    cdef bint _low_first(self)
    @cython.locals(place=cython.longlong)
    cdef int _place(self, Memory places, long long index, long long at, long long captured, long long original, long long time_ns) except -1
    @cython.locals(value=cython.longlong)
    cdef long long _get32(self, long long at) except -1
    @cython.locals(value=cython.longlong)
    cdef long long _get16(self, long long at) except -1
