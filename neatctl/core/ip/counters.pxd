cdef class IpCounters:
    cdef public long long received, sent, arp_in, arp_out, address_conflicts, addresses_given_up, nd_in
    cdef public long long nd_out, echo_replies, errors_out, errors_in, fragments_in, fragments_out, reassembled
    cdef public long long held, drop_short, drop_ethernet, drop_arp, drop_header, drop_checksum, drop_source
    cdef public long long drop_destination, drop_options, drop_extension, drop_nd, drop_fragment, drop_fragment_again, drop_fragment_overlap
    cdef public long long drop_fragment_limit, drop_fragment_time, drop_icmp, drop_rate, drop_unresolved, drop_queue_full, drop_record
