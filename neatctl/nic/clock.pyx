# cython: language_level=3
"""Clocks without objects: see clock.py, the plain twin."""

from libc.time cimport timespec
from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime

cdef extern from "<sys/prctl.h>" nogil:
    int prctl(int option, unsigned long value)
    enum:
        PR_SET_TIMERSLACK


cpdef long long now_ns() noexcept:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <long long>now.tv_sec * 1000000000 + now.tv_nsec


cpdef long long wall_ns() noexcept:
    cdef timespec now
    clock_gettime(CLOCK_REALTIME, &now)
    return <long long>now.tv_sec * 1000000000 + now.tv_nsec


cpdef exact_timers():
    prctl(PR_SET_TIMERSLACK, 1)
