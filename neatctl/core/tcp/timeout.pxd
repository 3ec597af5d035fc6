import cython

from neatctl.core.tcp.congestion cimport Congestion
from neatctl.core.tcp.ending cimport forget
from neatctl.core.tcp.flight cimport Flight
from neatctl.core.tcp.loss cimport look_again
from neatctl.core.tcp.recovery cimport begin_trial, reduce
from neatctl.core.tcp.tables cimport Tables
from neatctl.core.tcp.tcb cimport Tcb

cdef long long _RETRIES, _SYN_RETRIES, _SYN_ACK_RETRIES, _ORPHAN_RETRIES, _MAX_BACKOFF
cdef long long _FAST, _OPEN, _LOSS, _CLOSED, _SYN_RECEIVED, _SYN_SENT, _NEVER, _NO_TRIAL

cpdef on_deadline(Tables tables, Tcb tcb, long long now)
@cython.locals(first=cython.bint)
cdef _on_timeout(Tables tables, Tcb tcb, long long now)
@cython.locals(flight=Flight)
cdef _lose_all(Tables tables, Tcb tcb, bint first, long long now)
cdef long long _retries(Tcb tcb) noexcept
cdef _give_up(Tables tables, Tcb tcb)
