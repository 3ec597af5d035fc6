import cython

from neatctl.core.tcp.application cimport Listener
from neatctl.core.tcp.ending cimport abort, fail, finish, forget, wait
from neatctl.core.tcp.loss cimport take_ack, take_duplicate, take_sack, window_opened
from neatctl.core.tcp.opening cimport establish
from neatctl.core.tcp.reassembly cimport Reassembly, Span
from neatctl.core.tcp.recovery cimport take_echo
from neatctl.core.tcp.reply cimport reply_reset
from neatctl.core.tcp.tables cimport Tables
from neatctl.core.tcp.tcb cimport Tcb
from neatctl.core.tcp.telling cimport grow_room, tell, tell_data, tell_piece, tell_room
from neatctl.core.wire.seq cimport before, unwrap
from neatctl.core.wire.tcp_header cimport Segment

cdef long long _ACK, _CWR, _ECE, _FIN, _RST, _SYN, _URG, _MAX_KEPT_OCTETS
cdef long long _CLOSED, _SYN_RECEIVED, _ESTABLISHED, _FIN_WAIT_1, _FIN_WAIT_2, _TIME_WAIT
cdef long long _FIN_ACKED, _FIN_ARRIVED, _OPEN, _NEVER, _DELAYED_ACK_US, _CHALLENGE_US, _PAWS_IDLE_US, _ORPHAN_FIN_WAIT_US
cdef int _ECONNREFUSED, _ECONNRESET

cpdef segment_arrives(Tables tables, Tcb tcb, Segment segment, long long now)
cdef _take_mark(Tables tables, Tcb tcb, Segment segment)
cdef bint _check_timestamp(Tables tables, Tcb tcb, Segment segment, long long now) except -1
@cython.locals(seq=cython.longlong, window=cython.longlong)
cdef bint _check_sequence(Tables tables, Tcb tcb, Segment segment, long long now) except -1
cdef bint _check_reset(Tables tables, Tcb tcb, Segment segment, long long now) except -1
cdef bint _check_syn(Tables tables, Tcb tcb, Segment segment, long long now) except -1
@cython.locals(listener=Listener, ack=cython.longlong, news=cython.longlong, window=cython.longlong)
cdef bint _check_ack(Tables tables, Tcb tcb, Segment segment, long long now) except -1
cdef void _take_window(Tcb tcb, Segment segment, long long window)
cdef bint _our_fin_acked(Tables tables, Tcb tcb, long long now) except -1
@cython.locals(seq=cython.longlong, at=cython.longlong, octets=cython.longlong)
cdef _take_text(Tables tables, Tcb tcb, Segment segment, long long now)
cdef bint _deferred_long_enough(Tables tables, Tcb tcb, long long defer_us, long long now) except -1
@cython.locals(kept=Reassembly, cost=cython.longlong)
cdef _keep(Tables tables, Tcb tcb, Segment segment, long long seq, long long at, long long octets)
@cython.locals(span=Span, piece=bytes, seq=cython.longlong, end=cython.longlong)
cdef _take_kept(Tables tables, Tcb tcb, Reassembly kept)
@cython.locals(state=cython.longlong)
cdef _take_fin(Tables tables, Tcb tcb, long long now)
cdef _challenge(Tables tables, Tcb tcb, bint answers_data, long long now)
