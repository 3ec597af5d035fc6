cdef class IpCounters:
    cdef public long long received, sent, arp_in, arp_out, echo_replies, errors_out, errors_in, held
    cdef public long long drop_short, drop_ethernet, drop_arp, drop_header, drop_checksum, drop_source, drop_destination
    cdef public long long drop_fragment, drop_icmp, drop_rate, drop_unresolved, drop_queue_full, drop_record
