"""Runs Zeek."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.zeek.pcaps import Trace
from tests.zeek.receiver import Received, Receiver

BACKEND = "Cluster::Backend::ZeroMQ"


def free_port() -> int:
    """A TCP port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def settings(**values: Any) -> list[str]:
    """Command line assignments of the package's options: `shards=4` → `Metatap::shards=4`."""
    return [f"Metatap::{name}={value}" for name, value in values.items()]


@dataclass(frozen=True)
class Ends:
    """The two endpoints a Zeek connects to; or, with its own proxy, the ones it listens on."""

    flows: str
    back: str

    @classmethod
    def of(cls, kind: str, folder: Path) -> Ends:
        """Fresh endpoints: "ipc" in a folder, or "tcp"."""
        if kind == "ipc":
            return cls(f"ipc://{folder}/f", f"ipc://{folder}/b")
        return cls(f"tcp://127.0.0.1:{free_port()}", f"tcp://127.0.0.1:{free_port()}")

    def args(self, *, proxy: bool = False) -> list[str]:
        """The assignments that make Zeek use them."""
        given = {"connect_xpub_endpoint": self.flows, "connect_xsub_endpoint": self.back}
        if proxy:
            given |= {"listen_xsub_endpoint": self.flows, "listen_xpub_endpoint": self.back}
            given["run_proxy_thread"] = "T"
        return [f"{BACKEND}::{name}={value}" for name, value in given.items()]


@dataclass(frozen=True)
class Zeek:
    """A Zeek that can be run.

    Attributes:
        binary: The program.
        path: Its ZEEKPATH.
    """

    binary: Path
    path: str

    @contextmanager
    def start(
        self,
        folder: Path,
        *args: str,
        env: Mapping[str, str] | None = None,
        prefix: tuple[str, ...] = (),
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A running Zeek in `folder`, logs in JSON, stderr in a file; killed at the end.

        Args:
            folder: Where it runs.
            *args: Its command line.
            env: Variables besides those it always gets.
            prefix: A command to run it with, such as `ip netns exec …`.
        """
        argv = [*prefix, str(self.binary), *args, "LogAscii::use_json=T"]
        with (folder / "stderr.log").open("wb") as err:
            process = subprocess.Popen(
                argv,
                cwd=folder,
                env={**os.environ, "ZEEKPATH": self.path, **(env or {})},
                stdout=err,
                stderr=err,
            )
            try:
                yield process
            finally:
                process.kill()
                process.wait()

    def replay(
        self,
        folder: Path,
        trace: Trace,
        *args: str,
        script: str = "",
        kind: str = "ipc",
        **options: Any,
    ) -> Received:
        """Let Zeek read a trace beside a receiver that binds, and return what that got.

        Args:
            folder: Where Zeek runs and the logs are.
            trace: What it reads.
            *args: More of its command line.
            script: Code of a site to load after the package.
            kind: Kind of endpoints, see `Ends.of`.
            **options: Options of the package.
        """
        trace.write(folder / "trace.pcap")
        (folder / "site.zeek").write_text(script)
        ends = Ends.of(kind, folder)
        line = ["-r", "trace.pcap", "metatap", "./site", *ends.args(), *settings(**options), *args]
        with Receiver(ends.flows, ends.back) as receiver, self.start(folder, *line) as process:
            assert process.wait(60) == 0, (folder / "stderr.log").read_text()
            return receiver.wait_final(timeout=5)


def stop(process: subprocess.Popen[bytes], timeout: float = 30.0) -> None:
    """End a live Zeek as its operator would."""
    process.send_signal(signal.SIGTERM)
    process.wait(timeout)


def log(folder: Path, name: str) -> list[dict[str, Any]]:
    """The lines of a JSON log; none if the log was not written."""
    path = folder / f"{name}.log"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]
