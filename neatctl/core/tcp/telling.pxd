import cython

from neatctl.core.native cimport Memory
from neatctl.core.channel.face cimport Producer
from neatctl.core.tcp.application cimport Application, Listener
from neatctl.core.tcp.tables cimport Tables
from neatctl.core.tcp.tcb cimport Tcb

cdef long long _ACCEPTED, _DATA, _END, _RESET, _ROOM, _URGENT, _INFO, _OPENING, _REFUSED, _PORTS, _MAX_REFUSED

@cython.locals(app=Application, place=cython.longlong, target=Memory)
cpdef tell_data(Tables tables, Tcb tcb, Memory memory, long long at, long long octets)
@cython.locals(app=Application, place=cython.longlong, octets=cython.longlong, target=Memory)
cpdef tell_piece(Tables tables, Tcb tcb, bytes piece, long long start)
cpdef tell_room(Tables tables, Tcb tcb)
@cython.locals(size=cython.longlong, want=cython.longlong)
cpdef grow_room(Tables tables, Tcb tcb)
@cython.locals(app=Application, held=list)
cpdef bint tell(Tables tables, Tcb tcb) except -1
@cython.locals(waiting=list, events=Producer, done=cython.longlong, count=cython.longlong, tcb=Tcb)
cpdef tell_waiting(Tables tables, Application app)
cpdef bint tell_urgent(Tcb tcb) except -1
cpdef tell_info(Tables tables, Application app, long long id, long long number, bytes info)
cpdef tell_opening(Tables tables, Tcb tcb, long long number)
cpdef tell_refused(Tables tables, Application app, long long number, long long error)
cdef bint _tell_opening(Tcb tcb, Application app) except -1
@cython.locals(listener=Listener, value=cython.longlong)
cdef bint _tell_accepted(Tcb tcb, Application app) except -1
@cython.locals(at=cython.longlong, memory=Memory, key=bytes, octets=cython.longlong)
cdef bint _put_ends(Tcb tcb, Application app, long long kind, long long value, long long second) except -1
@cython.locals(piece=bytes, octets=cython.longlong, at=cython.longlong)
cdef bint _tell_held(Tcb tcb, Application app, list held) except -1
cdef _hold(Tcb tcb, bytes piece)
cdef bint _wait(Tables tables, Tcb tcb) except -1
cdef _forgive(Tcb tcb)
