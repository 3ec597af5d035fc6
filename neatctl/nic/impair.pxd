import cython

from neatctl.core.native cimport Memory
from neatctl.nic.checksums cimport complete
from neatctl.nic.counters cimport Counters
from neatctl.nic.delay_queue cimport DelayQueue
from neatctl.nic.devices.face cimport Device

cdef long long MASK32, DROP_IMPAIR_FULL_IN, DROP_IMPAIRED_IN, DROP_TX_REFUSED, IMPAIR_CORRUPTED_IN, IMPAIR_DELAYED_IN
cdef long long IMPAIR_DUPLICATED_IN, IMPAIR_REORDERED_IN, REFUSED, WOULD_BLOCK
cdef long long _IN, _OUT, _VNET, _DAMAGED_FROM, _MOST_RECORD, _READ_BURST, _WRITE_BURST, _RETRY_US, _OVERTAKEN_BY, _HELD_US, _BIT_NS
cdef long long _HELD_MOST, _LEFT, _UNTIL, _HELD_OCTETS


cdef class Chance:
    cdef long long _limit, _state
    cpdef bint happens(self) except? -1
    cpdef long long below(self, long long bound) except? -1
    @cython.locals(value=cython.longlong)
    cdef int _advance(self) except -1


cdef class Way:
    cdef readonly DelayQueue queue
    cdef Counters _counters
    cdef Chance _loss, _begins, _ends, _duplicate, _corrupt, _which_bit, _reorder, _how_many, _shake
    cdef Memory _holding
    cdef long long _way, _delay_us, _jitter_us, _rate, _most, _line_free_ns, _held
    cdef bint _bursting
    cpdef arrive(self, Memory memory, long long at, long long octets, long long now)
    @cython.locals(due=cython.longlong, until=cython.longlong, i=cython.longlong)
    cpdef long long due(self) except? -2
    cpdef release(self, long long now, long long patience_us)
    @cython.locals(queue=DelayQueue, slot=cython.longlong, due=cython.longlong)
    cdef _enter(self, Memory memory, long long at, long long octets, long long now)
    @cython.locals(bit=cython.longlong, place=cython.longlong)
    cdef _damage(self, Memory memory, long long at, long long octets)
    @cython.locals(record=cython.longlong)
    cdef _hold(self, long long slot, long long now)
    @cython.locals(kept=cython.longlong, holding=Memory, i=cython.longlong, record=cython.longlong, left=cython.longlong)
    cdef _let_go(self, long long now, long long passed, long long due)
    cdef _count(self, long long counter)


cdef class ImpairedDevice(Device):
    cdef readonly Device device
    cdef readonly bint over
    cdef Counters _counters
    cdef bint _asked, _blocked
    cdef Memory _staging
    cdef Way _in, _out
    cdef long long _now, _to_read, _to_write, _moved, _retry_at
    cpdef long long carry(self, long long now) except? -1
    @cython.locals(queue=DelayQueue, slot=cython.longlong, octets=cython.longlong)
    cpdef long long read(self, Memory memory, long long at) except? -3
    cpdef long long write(self, Memory memory, long long at, long long octets) except? -3
    @cython.locals(due=cython.longlong, leaving=cython.longlong)
    cpdef long long deadline(self) except? -2
    @cython.locals(queue=DelayQueue, slot=cython.longlong, written=cython.longlong)
    cdef _write_due(self)
