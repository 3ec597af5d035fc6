"""The load client: HTTP requests over many connections on the kernel's sockets, compiled where it matters.

`python -m neatctl.apps.load URL [options]`, by `neatctl exec` on the clients' side of a testbed: its TCP is
Linux's, so it knows nothing of the stack that it loads. One process, one core; for more, start several and merge
(`neatctl.apps.load.histogram.merged`). Every answer is checked: status, length, and its octets against the first
answer's. It asks in one of two ways:

- closed loop (no `--rate`): a connection asks again as soon as it was answered. `latency` is from the sending
  of a request to the last octet of its answer; the opening of connections is apart, in `connect_time`.
- open loop (`--rate R`): requests are due at fixed times, R in a second over all connections (the seed decides
  when the first one is), and wait for a free connection. `latency` is from the time at which a request was due,
  so a server that stalls shows in every request that was due meanwhile (corrected for coordinated omission);
  `service_time` is from its sending.

A connection stays open until the server closes it, or for `--requests-per-connection` requests. The last of these
says `Connection: close`: the server closes first and TIME-WAIT is the server's, so the client's ports do not run
out. Requests that are open at the end are waited for until their time-out, and are errors (`timeout`) then.
In the open loop such a connection is opened when its first request is due, so `latency` has its opening.
A connection that failed is opened anew 20 ms later.

One JSON object on standard output, whatever happened (after SIGINT and SIGTERM too):

    {"schema": 2, "url": "http://10.77.0.2/20b", "seed": 1, "compiled": true,
     "connections_wanted": 128,           --connections
     "connections_achieved": 128,         most that were open at one time
     "connections_opened": 130,           in the measured period, as requests, errors and octets_in are
     "requests_per_connection": 0,        0: until the server closes
     "rate_wanted": null,                 requests/s of the open loop
     "begun_monotonic_us": 123456789,     begin of the load, warm-up included (CLOCK_MONOTONIC)
     "seconds": 5.0003,                   measured, without the warm-up
     "requests": 600000,                  right answers that came in the measured period, and nothing else
     "requests_per_s": 119992.8,
     "octets_in": 150000000,              heads and contents, of wrong answers too
     "errors": {"timeout": 0, "refused": 0, "reset": 0, "unreachable": 0, "closed": 0, "status": 0,
                "content": 0, "ports": 0, "fd_limit": 0, "other": 0},
     "errors_total": 0,
     "error_reasons": {"status 503": 3},  the same errors, by what exactly was seen
     "warm_up": {"seconds": 1.0, "requests": 110000, "errors": {..}},
     "closed_by_server": 2,               in order, between requests or after an answer that said so: no error
     "unanswered": 128,                   sent, and answered only after the end: neither right nor wrong
     "unsent": 0,                         due by the rate, and not sent when the time was over
     "latency": {"unit": "us", "count": 600000, "min": 95, "mean": 260.1, "p50": 251, "p90": 301, "p99": 420,
                 "p99_9": 900, "p99_99": 1501, "max": 2107, "hdr": "HISTFAAAA.."},
     "service_time": null,                the same shape; null without --rate
     "connect_time": {..},                the same shape: connect() to established
     "cpu_us": 4100000,                   of this client, in the measured period
     "broken_connections": 2,             that failed after an answer, or gave a wrong one; warm-up included
     "unbroken_connections": 126,
     "broken": [{"connection": 7, "local_port": 40112, "at_s": 2.0113, "error": "reset"}],
     "broken_left_out": 0,                more of them, beyond the first 10,000
     "requests_per_100_ms": [11982, ..],  from the begin of the load, warm-up included
     "stopped_by": null}                  "SIGINT" or "SIGTERM"

Error classes are httperf's and a few more: `closed` is an orderly close in the middle of an answer or instead of
one, `content` a wrong length or wrong octets, `ports` no free local port, `fd_limit` no more descriptors, `other`
what the reasons say, such as an answer without Content-Length or in chunks, which is not read. Times are in
microseconds. Without any value `count` is 0, `hdr` an empty histogram and the rest null. `hdr` is an
HdrHistogram (V2, compressed, base64; 1 us to 1 h, 3 significant digits) for the `hdrhistogram` package and others.

`--progress` writes one JSON object a second to standard error:
    {"at_s": 1.0, "measured": true, "requests": 119873, "errors_total": 0, "open": 128}
where `requests` and `errors_total` are those of the time since the line before.

Exit code: 0; 1 when an answer was wrong (status, content) or none was right; 2 wrong usage; 130 and 143 after SIGINT
and SIGTERM.
"""
