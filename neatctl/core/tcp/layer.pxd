import cython

from neatctl.core.channel.face cimport Producer
from neatctl.core.ip.output cimport IpOutput
from neatctl.core.native cimport Memory
from neatctl.core.tcp.application cimport Application, Listener
from neatctl.core.tcp.arrival cimport segment_arrives
from neatctl.core.tcp.calls cimport call
from neatctl.core.tcp.counters cimport TcpCounters
from neatctl.core.tcp.ending cimport abort, fail
from neatctl.core.tcp.opening cimport HalfOpen, arrive_closed, arrive_syn_sent, fold, unfold
from neatctl.core.tcp.timeout cimport on_deadline
from neatctl.core.tcp.reply cimport arrive_time_wait
from neatctl.core.tcp.tables cimport Tables
from neatctl.core.tcp.tcb cimport Flow, Tcb
from neatctl.core.tcp.telling cimport tell_waiting
from neatctl.core.tcp.time_wait cimport TimeWait
from neatctl.core.tcp.transmit cimport send_due
from neatctl.core.wire.tcp_header cimport Segment, checksum_holds

cdef long long _CLOSED, _SYN_RECEIVED, _SYN_SENT, _TIME_WAIT, _SOUND, _BAD_FLAGS, _NO_FLOOR, _IPV4


cdef class TcpLayer:
    cdef readonly Tables tables
    cdef readonly TcpCounters counters
    cdef Segment _segment
    cdef list _apps
    cdef Application _last_app
    cpdef attach(self, long long app, Producer events)
    @cython.locals(application=Application, listener=Listener, tcb=Tcb)
    cpdef detach(self, long long app, long long now)
    cpdef unlisten(self, long long listener, long long now)
    @cython.locals(tables=Tables, counters=TcpCounters, segment=Segment, verdict=cython.longlong, flow=Flow, opened=Tcb, rest=TimeWait, tcb=Tcb)
    cpdef arrive(self, Memory memory, long long at, long long octets, bytes key, bint checksum_known, long long now)
    @cython.locals(tables=Tables, tcb=Tcb)
    cdef _arrive_opening(self, Flow flow, Segment segment, long long now)
    @cython.locals(application=Application)
    cpdef command(self, long long app, Memory memory, long long at, long long octets, long long now)
    cpdef unreachable(self, bytes key, long long code, long long seq, long long now)
    cpdef too_big(self, bytes key, long long seq, long long mtu, long long quoted_octets, long long now)
    @cython.locals(tables=Tables, app=Application, tcb=Tcb, sent=cython.longlong, done=cython.longlong, count=cython.longlong)
    cpdef long long transmit(self, long long now) except -1
    @cython.locals(due=cython.longlong, waits=cython.longlong)
    cpdef long long deadline(self) except? -2
    @cython.locals(tables=Tables, tcb=Tcb, due=Flow)
    cpdef expire(self, long long now)
