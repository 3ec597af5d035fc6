import cython

from neatctl.core.channel.face cimport Producer
from neatctl.core.ip.counters cimport IpCounters
from neatctl.core.ip.neighbours cimport Neighbour, NeighbourCache
from neatctl.core.native cimport Memory

cdef long long _UDP, _ETHERNET, _FRAME_AT, _IP_AT, _IPV4, _IPV6, _NEEDS_CSUM, _FLAGS_AT, _GSO_TYPE_AT
cdef long long _HEADER_OCTETS_AT, _GSO_SIZE_AT, _CSUM_START_AT, _CSUM_OFFSET_AT, _ECT, _CE


cdef class Path:
    cdef readonly bytes local
    cdef readonly bytes remote
    cdef readonly bytes mac
    cdef readonly bytes head
    cdef readonly bytes header
    cdef readonly NeighbourCache cache
    cdef public Neighbour neighbour
    cdef public long long narrow_mtu, narrow_until_us
    cdef readonly long long protocol, header_sum, pseudo_sum, ip_octets, transport_at, gso_type
    cdef bytes _source_mac
    cdef bytes _ethertype
    @cython.locals(neighbour=Neighbour)
    cpdef resolve(self)


cdef class IpOutput:
    cdef readonly bytes local
    cdef readonly NeighbourCache neighbours
    cdef readonly object discovery, identifications
    cdef public Memory memory
    cdef readonly long long mtu
    cdef bytes _mac
    cdef bytes _gateway
    cdef long long _mask, _network, _at, _now, _seen_at
    cdef bint _offload
    cdef public bint markable
    cdef IpCounters _counters
    cdef Producer _net
    cdef Memory _scratch
    cdef Memory _seen
    cdef list _out
    cdef dict _paths
    cdef dict _other_paths
    cpdef attach(self, Producer net)
    cpdef arrived(self, Memory memory, long long at)
    @cython.locals(path=Path)
    cpdef Path path(self, bytes local, bytes remote, long long now, long long protocol=*)
    cdef Path _make_path(self, bytes local, bytes remote, long long now, long long protocol)
    cpdef reroute(self)
    @cython.locals(at=cython.longlong)
    cpdef bint was_marked(self) except -1
    @cython.locals(mtu=cython.longlong)
    cpdef long long mtu_of(self, Path path, long long now) except -1
    cpdef narrow(self, Path path, long long mtu, long long now)
    cpdef doubt(self, Path path, long long now)
    cdef bytes _seen_mac(self)
    @cython.locals(octets=cython.longlong)
    cdef bint _heard_from(self, bytes remote) except -1
    @cython.locals(net=Producer, at=cython.longlong)
    cpdef long long begin(self, Path path, long long transport_octets, long long now) except? -2
    @cython.locals(memory=Memory, at=cython.longlong, ip=cython.longlong, total=cython.longlong, checksum=cython.longlong, net=Producer)
    cpdef end(self, Path path, long long transport_octets, long long checksum_offset, long long gso_size, long long header_octets)
    @cython.locals(pseudo=cython.longlong, transport=cython.longlong, checksum=cython.longlong)
    cdef _transport_checksum(self, Path path, Memory memory, long long at, long long octets, long long checksum_offset)
    cpdef bint send_fragments(self, Path path, bytes payload, long long now) except -1
    cpdef send_neighbour_records(self)
