import cython

from neatctl.core.channel.face cimport Consumer, Producer
from neatctl.core.native cimport Memory
from neatctl.core.process.loop cimport Work
from neatctl.nic.counters cimport Counters
from neatctl.nic.devices.face cimport Device
from neatctl.nic.impair cimport ImpairedDevice
from neatctl.nic.mirror cimport Mirrors
from neatctl.nic.queue_pair cimport QueuePair
from neatctl.nic.steering cimport Steering

cdef long long FLOW, FLOWS_TOLD, FRAME, FRAME_AT, GSO_NONE, GSO_TCPV4, GSO_TCPV6, HASH_AT, KIND_AT, MAX_FRAME, NEEDS_CSUM, NIC_AT
cdef long long VNET_AT, VNET_CSUM_OFFSET_AT, VNET_CSUM_START_AT, VNET_FLAGS_AT, VNET_GSO_TYPE_AT, VNET_OCTETS
cdef long long DROP_TX_REFUSED, FLOWS_EVICTED, FLOWS_EXPIRED, PEER_FAULTS, QUEUE_FULL
cdef long long RX_FRAMES, RX_OCTETS, TX_FRAMES, TX_OCTETS, TX_RETRY, REFUSED, WOULD_BLOCK, CLOSED, DRAINING, OPEN, MAX_REPLICA
cdef long long _RETRY_US, _EXPIRE_EVERY_US, _EXPIRE_PARTS, _ETHERNET_HEADER, _ALL, _RX_BURST, _TX_BURST, _SENT, _RECEIVED, _EVERY


cdef class Driver(Work):
    cdef readonly Device device
    cdef readonly Steering steering
    cdef readonly Counters counters
    cdef ImpairedDevice _impaired
    cdef readonly bint reading
    cdef public str inject
    cdef object _open_pair, _events
    cdef Memory _staging
    cdef list _pairs, _by_replica
    cdef set _unopened
    cdef dict _earlier
    cdef QueuePair _current
    cdef long long _now, _read_at, _retry_at, _expire_at, _expire_slots, _turn_pair
    cdef long long _rx_frames, _rx_octets, _tx_frames, _tx_octets
    cdef bint _waiting
    cdef Mirrors _mirrors
    cdef long long _mirroring
    @cython.locals(done=cython.longlong, pair=QueuePair)
    cpdef long long turn(self, long long now) except? -1
    @cython.locals(counters=Counters)
    cdef _count(self)
    @cython.locals(idle=cython.bint, pair=QueuePair)
    cpdef bint arm(self) except? -1
    @cython.locals(pair=QueuePair)
    cpdef disarm(self)
    @cython.locals(due=cython.longlong, carry_at=cython.longlong)
    cpdef long long deadline(self) except? -2
    @cython.locals(moved=cython.longlong)
    cdef long long _carry(self, ImpairedDevice link, long long now) except? -1
    @cython.locals(staging=Memory, steering=Steering, frames=cython.longlong, octets=cython.longlong, replica=cython.longlong, pair=QueuePair)
    cdef long long _receive(self, long long now) except? -1
    @cython.locals(producer=Producer, at=cython.longlong)
    cdef _enqueue(self, QueuePair pair, long long octets)
    @cython.locals(pairs=list, count=cython.longlong, done=cython.longlong, i=cython.longlong, pair=QueuePair)
    cdef long long _transmit(self, long long now) except? -1
    @cython.locals(consumer=Consumer, records=cython.longlong, octets=cython.longlong, memory=Memory, at=cython.longlong, kind=cython.longlong)
    cdef long long _transmit_pair(self, QueuePair pair, long long now) except? -1
    @cython.locals(frame_octets=cython.longlong, written=cython.longlong)
    cdef bint _send(self, QueuePair pair, Memory memory, long long at, long long octets, long long now) except? -1
    @cython.locals(start=cython.longlong, gso=cython.longlong)
    cdef _check_frame(self, Memory memory, long long at, long long octets)
    cdef _mirror(self, Memory memory, long long at, long long octets, long long replica, long long direction)
