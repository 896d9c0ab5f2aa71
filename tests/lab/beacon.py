"""A harmless HTTP beacon: it asks for a fixed text at intervals, in the manner of implants.

It runs only inside the lab, executes nothing, and stops after a number of check-ins. Every
check-in is a new connection: a GET that carries an identifier in a cookie and, now and then, a
POST with a few hundred bytes of random "results".
"""

import argparse
import base64
import contextlib
import http.client
import random
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """The rhythm of check-ins: the mean in s and the spread as a share of it."""

    interval_s: float
    jitter: float

    def wait_s(self, rng: random.Random) -> float:
        """The pause before the next check-in, uniform within the spread."""
        return self.interval_s * rng.uniform(1 - self.jitter, 1 + self.jitter)


def _exchange(args: argparse.Namespace, method: str, uri: str, body: bytes | None) -> None:
    headers = {
        "User-Agent": args.agent,
        "Accept": "*/*",
        "Cookie": f"SID={args.identity}",
        "Connection": "close",
    }
    connection = (
        http.client.HTTPSConnection(
            args.host, args.port, timeout=5, context=ssl._create_unverified_context()
        )
        if args.tls
        else http.client.HTTPConnection(args.host, args.port, timeout=5)
    )
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.request(method, uri, body=body, headers=headers)
        connection.getresponse().read()


def main(argv: Sequence[str] | None = None) -> None:
    """Check in until the count or the time is used up."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("host")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--uri", required=True)
    parser.add_argument("--post-uri", required=True)
    parser.add_argument("--agent", required=True)
    parser.add_argument("--interval-s", type=float, required=True)
    parser.add_argument("--jitter", type=float, required=True)
    parser.add_argument("--post-every", type=int, required=True)
    parser.add_argument("--post-bytes", type=int, nargs=2, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--tls", action="store_true", help="accept any certificate")
    parser.add_argument("--seed", type=int, required=True)
    args = parser.parse_args(argv)
    rng = random.Random(args.seed)
    args.identity = base64.urlsafe_b64encode(rng.randbytes(48)).decode()
    pace = Pace(args.interval_s, args.jitter)
    until = time.monotonic() + args.seconds
    for number in range(1, args.count + 1):
        _exchange(args, "GET", args.uri, None)
        if number % args.post_every == 0:
            _exchange(args, "POST", args.post_uri, rng.randbytes(rng.randint(*args.post_bytes)))
        wait = pace.wait_s(rng)
        if time.monotonic() + wait > until:
            return
        time.sleep(wait)


if __name__ == "__main__":
    main()
