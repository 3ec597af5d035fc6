import cython

from neatctl.core.native cimport Memory
from neatctl.core.tcp.application cimport Application, Listener
from neatctl.core.tcp.ending cimport abort, fail
from neatctl.core.tcp.segment_out cimport window_edge
from neatctl.core.tcp.tables cimport Tables
from neatctl.core.tcp.tcb cimport Tcb
from neatctl.core.tcp.telling cimport tell_info

cdef long long _ABORT, _CLOSE, _CONSUMED, _OPTION, _SEND, _SHUT, _TAKEN, _QUERY, _CONNECT, _THEN_CLOSE, _THEN_SHUT, _NODELAY
cdef long long _MAX_SEND, _LARGEST_FIELD, _HEADER, _CLOSE_CALLED, _ORPHAN_FIN_WAIT_US
cdef long long _FIN_WAIT_2, _SYN_RECEIVED, _SYN_SENT, _PAUSE_US

@cython.locals(head=cython.longlong, kind=cython.longlong, flags=cython.longlong, id=cython.longlong, value=cython.longlong, tcb=Tcb)
cpdef call(Tables tables, Application app, Memory memory, long long at, long long octets, long long now)
cpdef shut(Tables tables, Tcb tcb)
cpdef close(Tables tables, Tcb tcb, long long now)
cdef _send(Tables tables, Tcb tcb, Memory memory, long long at, long long octets, long long flags, long long now)
@cython.locals(gain=cython.longlong)
cdef _consumed(Tables tables, Tcb tcb, long long octets, long long now)
@cython.locals(rtt_us=cython.longlong, since_us=cython.longlong, taken=cython.longlong, want=cython.longlong)
cdef _grow(Tables tables, Tcb tcb, long long octets, long long now)
cdef _option(Tables tables, Tcb tcb, long long option, long long value, long long now)
@cython.locals(listener=Listener)
cdef _taken(Tables tables, Application app, long long number, long long count)
