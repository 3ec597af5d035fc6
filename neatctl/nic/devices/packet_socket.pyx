# cython: language_level=3
"""A packet socket on one interface without objects: see packet_socket.py, the plain twin."""

from libc.errno cimport EAGAIN, EINTR, EMSGSIZE, ENOBUFS, ENODEV, ENOMEM, errno

import fcntl
import os
import socket
import struct
from pathlib import Path

cdef extern from *:
    """
    #include <errno.h>
    #include <poll.h>
    #include <string.h>
    #include <sys/socket.h>
    #include <sys/uio.h>
    #include <time.h>
    #define NEAT_BATCH 64
    struct neat_frames { struct mmsghdr headers[NEAT_BATCH]; struct iovec places[NEAT_BATCH]; };
    static void neat_put(struct neat_frames *frames, int i, void *octets, size_t count) {
        memset(&frames->headers[i], 0, sizeof frames->headers[i]);
        frames->places[i].iov_base = octets;
        frames->places[i].iov_len = count;
        frames->headers[i].msg_hdr.msg_iov = &frames->places[i];
        frames->headers[i].msg_hdr.msg_iovlen = 1;
    }
    static int neat_send(int fd, struct neat_frames *frames, int first, int count) {
        return sendmmsg(fd, frames->headers + first, (unsigned)count, MSG_DONTWAIT);
    }
    static int neat_wait(int fd, long long timeout_ns) {
        struct timespec time = { timeout_ns / 1000000000, timeout_ns % 1000000000 };
        struct pollfd waiting = { fd, POLLIN, 0 };
        return ppoll(&waiting, 1, &time, NULL);
    }
    """
    cdef struct neat_frames:
        pass
    void neat_put(neat_frames *frames, int i, void *octets, size_t count) nogil
    int neat_send(int fd, neat_frames *frames, int first, int count) nogil
    int neat_wait(int fd, long long timeout_ns) nogil
    ssize_t c_send "send"(int fd, const void *data, size_t octets, int flags) nogil
    enum:
        NEAT_BATCH
        MSG_DONTWAIT

ALL_PROTOCOLS = 3
_SOL_PACKET = 263
_PACKET_QDISC_BYPASS = 20
_SIOCGIFMTU = 0x8921


cdef class PacketSocket:
    def __init__(self, interface, protocol=0):
        self.socket = open_socket(interface, protocol)
        self.fd = self.socket.fileno()
        self.mac = self.socket.getsockname()[4]
        self.mtu = _mtu(self.socket, interface)

    cpdef bint send(self, Memory memory, long long at, long long octets) except -1:
        cdef ssize_t done
        memory.check(at, octets)
        if octets < 14 or octets > self.mtu + 14:
            self.too_long += 1
            return False
        while True:
            with nogil:
                done = c_send(self.fd, memory.p + at, octets, MSG_DONTWAIT)
            if done >= 0:
                self.sent += 1
                return True
            if errno != EINTR:
                self.failed(errno)
                return False

    cpdef long long send_batch(self, Memory memory, Memory places, long long first, long long count) except -1:
        cdef long long before = self.sent
        self.send_places(memory, places, first, count, False)
        return self.sent - before

    cpdef long long send_while_room(self, Memory memory, Memory places, long long first, long long count) except -1:
        return self.send_places(memory, places, first, count, True)

    cdef long long send_places(
        self, Memory memory, Memory places, long long first, long long count, bint hold
    ) except -1:
        """How many are done with: all, or those before the first without room."""
        cdef neat_frames frames
        cdef long long[NEAT_BATCH] numbers
        cdef long long at, octets, i = first, end = first + count
        cdef int ready, done, sent
        while i < end:
            ready = 0
            while i < end and ready < NEAT_BATCH:
                at = places.load64(i * 32)
                octets = places.load64(i * 32 + 8)
                memory.check(at, octets)
                i += 1
                if octets < 14 or octets > self.mtu + 14:
                    self.too_long += 1
                    continue
                neat_put(&frames, ready, memory.p + at, octets)
                numbers[ready] = i - 1
                ready += 1
            sent = 0
            while sent < ready:
                with nogil:
                    done = neat_send(self.fd, &frames, sent, ready - sent)
                if done > 0:
                    # Fewer than all: the next one was tried in vain, and is tried again.
                    self.held += done < ready - sent
                    sent += done
                    self.sent += done
                elif hold and (errno == ENOBUFS or errno == EAGAIN):
                    if errno == ENOBUFS:
                        self.held += 1
                    return numbers[sent] - first
                elif errno != EINTR:
                    # The first one of the rest failed, and only it.
                    self.failed(errno)
                    sent += 1
        return count

    cpdef long long receive(self, Memory memory, long long at, long long octets) except -2:
        return memory.read_fd(self.fd, at, octets)

    cpdef bint wait(self, long long timeout_ns) except -1:
        return wait_readable(self.fd, timeout_ns)

    def fileno(self):
        return self.fd

    def close(self):
        self.socket.close()
        self.fd = -1

    cdef int failed(self, int code) except -1:
        """Count a frame that was not sent."""
        if code == EMSGSIZE:
            self.too_long += 1
        elif code == ENOBUFS or code == ENOMEM or code == EAGAIN:
            self.no_room += 1
        else:
            raise OSError(code, os.strerror(code))
        return 0


def open_socket(interface, protocol):
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    try:
        made.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
        made.bind((interface, protocol))
    except OSError:
        made.close()
        raise
    return made


cpdef bint wait_readable(int fd, long long timeout_ns) except -1:
    cdef int found
    if timeout_ns < 0:
        timeout_ns = 0
    with nogil:
        found = neat_wait(fd, timeout_ns)
    return found > 0


def tx_dropped(interface):
    for line in Path("/proc/thread-self/net/dev").read_text(encoding="ascii").splitlines():
        name, _, counted = line.strip().partition(":")
        if name == interface:
            return int(counted.split()[11])
    raise OSError(ENODEV, os.strerror(ENODEV), interface)


def _mtu(made, interface):
    answer = fcntl.ioctl(made, _SIOCGIFMTU, struct.pack("16si12x", interface.encode(), 0))
    return struct.unpack_from("=i", answer, 16)[0]
