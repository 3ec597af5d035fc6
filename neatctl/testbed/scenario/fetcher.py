"""Downloads over the kernel's sockets, in the clients' namespace: python -m ... URL TIMES PARALLEL TIMEOUT_S.

Prints a JSON list with, for each download, the SHA-256 of what came, or what went wrong.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor


def fetch(url: str, timeout_s: float) -> dict[str, str]:
    """One download; nothing is kept of it but its hash."""
    seen = hashlib.sha256()
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:
            while octets := answer.read(1 << 20):
                seen.update(octets)
    except (OSError, http.client.HTTPException) as error:
        return {"error": str(error) or type(error).__name__}
    return {"sha256": seen.hexdigest()}


def main() -> None:
    url, times, parallel, timeout_s = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    with ThreadPoolExecutor(parallel) as pool:
        print(json.dumps(list(pool.map(lambda _: fetch(url, timeout_s), range(times)))))


if __name__ == "__main__":
    main()
