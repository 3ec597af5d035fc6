cdef class UdpCounters:
    cdef public long long received, delivered, sent, unreachables, no_port, drop_length, drop_checksum
    cdef public long long drop_application_full, drop_queue_full, drop_no_way, records_late
