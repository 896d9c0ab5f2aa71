"""A subscriber in Zeek's place, in a process of its own: it can die and hang as Zeek can.

python -m tests.agent.sinks.zeek_receiver ADDRESS bind|connect FILE
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import zmq
from tests.zeek.broker_bin import parse

_ROOT = Path(__file__).resolve().parents[3]
_EVENT_ID = 2
"""Place of `event_id` in the record."""


class ZeekReceiver:
    """Writes the event id of each alert to a file."""

    def __init__(self, folder: Path, address: str, *, bind: bool) -> None:
        folder.mkdir()
        self._path = folder / "ids"
        self._path.touch()
        self._argv = [address, "bind" if bind else "connect", str(self._path)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin, or begin again in the same place; listens when this returns."""
        argv = [sys.executable, "-m", __name__, *self._argv]
        self._process = subprocess.Popen(argv, cwd=_ROOT, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        """End at once; does nothing when it is not running."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def hang(self) -> None:
        """Go on without taking anything."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Take again."""
        self._signal(signal.SIGCONT)

    def ids(self) -> list[str]:
        """Ids of what came, in its order."""
        return self._path.read_text().splitlines()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


def main(address: str, how: str, path: str) -> None:
    """Receive for ever."""
    context = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.rcvhwm = 100
    socket.rcvbuf = 8192
    socket.subscribe("metatap.alert.")
    socket.bind(address) if how == "bind" else socket.connect(address)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    with Path(path).open("ab", buffering=0) as file:
        while True:
            _, _, serializer, payload = socket.recv_multipart()
            assert serializer == b"broker-bin-v1"
            record = parse(payload).args[1].plain()
            file.write(record[_EVENT_ID] + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
