import cython

from neatctl.core.channel.face cimport Consumer, Producer
from neatctl.core.native cimport Memory
from neatctl.core.tcp.layer cimport TcpLayer

cdef long long _ACCEPTED, _CONSUMED, _DATA, _SEND, _TAKEN, _THEN_CLOSE, _TCP_AT, _ACK, _PSH_ACK, _SYN, _FIN_ACK, _HEADER, _MASK
cdef long long _BURST, _ALIGNED, _SYN_OPTIONS, _ISN


cdef class Drive:
    cdef TcpLayer _layer
    cdef Consumer _nic, _app
    cdef Producer _nic_producer
    cdef long long _request, _response
    cdef Memory _states, _frame, _record
    cdef public long long now, answers
    cdef public bint closing
    @cython.locals(i=cython.longlong)
    cpdef open(self, long long first, long long count)
    @cython.locals(done=cython.longlong, burst=cython.longlong, i=cython.longlong)
    cpdef ask(self, long long first, long long count)
    @cython.locals(i=cython.longlong)
    cpdef acknowledge(self, long long first, long long count, long long flags)
    cpdef rest(self, long long us)
    @cython.locals(frame=Memory, states=Memory, seq=cython.longlong, key=bytes)
    cdef _arrive(self, long long i, long long flags, long long octets)
    @cython.locals(layer=TcpLayer)
    cdef _finish(self)
    @cython.locals(app=Consumer, record=Memory, at=cython.longlong, kind=cython.longlong)
    cdef _answer(self)
    cdef _consume(self, Memory record)
    @cython.locals(nic=Consumer, states=Memory, octets=cython.longlong, memory=Memory, at=cython.longlong, i=cython.longlong, word=cython.longlong, length=cython.longlong)
    cdef _take_segments(self)
