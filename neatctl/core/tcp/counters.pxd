cdef class TcpCounters:
    cdef public long long segments_in, segments_out, octets_in, octets_out
    cdef public long long opened, accepted, closed, resets_in, resets_out, aborted, timeouts, half_open_timeouts
    cdef public long long fast_retransmits, retransmits, retransmission_timeouts, tail_probes, window_probes, duplicate_acks_in
    cdef public long long recoveries_undone, duplicates_reported, reports_reneged, ecn_reductions, ecn_marks_in, duplicates_in
    cdef public long long out_of_order_in, challenge_acks, time_waits, time_waits_reused, time_waits_early, unreachables
    cdef public long long drop_length, drop_flags, drop_checksum, drop_address, drop_sequence, drop_paws, drop_ack
    cdef public long long drop_reset, drop_listen_overflow, drop_connections, drop_out_of_order
    cdef public long long cookies_sent, cookies_taken, cookies_refused, accepts_deferred, keep_alive_probes, keep_alive_timeouts
    cdef public long long urgent_in, paths_narrowed, black_holes, drop_unreachable, drop_too_big
    cdef public long long records_late, queue_full, application_full
