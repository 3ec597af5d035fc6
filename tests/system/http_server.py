"""A web server on kernel sockets, for the clients' namespace: python http_server.py PORT FILE GATE.

Every path gives FILE; /gated gives its first half, and the rest once there is a file GATE. Says `ready`, then
`half` for each answer that waits.
"""

from __future__ import annotations

import http.server
import os
import socket
import sys
import time
from pathlib import Path


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = Path(sys.argv[2]).read_bytes()
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        half = len(body) // 2 if self.path == "/gated" else 0
        self.wfile.write(body[:half])
        if half:
            os.write(1, b"half\n")
            while not Path(sys.argv[3]).exists():
                time.sleep(0.02)
        self.wfile.write(body[half:])

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    """And IPv4: the socket takes both."""
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    with Server(("", int(sys.argv[1])), Handler) as server:
        print("ready", flush=True)
        server.serve_forever()
