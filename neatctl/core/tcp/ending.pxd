import cython

from neatctl.core.tcp.application cimport Listener
from neatctl.core.tcp.reply cimport reply
from neatctl.core.tcp.tables cimport Tables
from neatctl.core.tcp.tcb cimport Tcb
from neatctl.core.tcp.telling cimport tell
from neatctl.core.tcp.time_wait cimport TimeWait

cdef long long _CLOSED, _SYN_RECEIVED, _SYN_SENT, _ABANDONED, _NEVER, _ACK

cpdef forget(Tables tables, Tcb tcb)
cpdef finish(Tables tables, Tcb tcb)
@cython.locals(rest=TimeWait)
cpdef wait(Tables tables, Tcb tcb, long long now)
@cython.locals(half_open=cython.bint)
cpdef fail(Tables tables, Tcb tcb, int error)
cpdef abort(Tables tables, Tcb tcb, int error, long long now)
@cython.locals(listener=Listener)
cdef _leave_listener(Tcb tcb)
