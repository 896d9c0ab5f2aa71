"""A real rsyslogd, run with its own configuration in a folder of the test."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from tests.agent.sinks.authority import Authority, Identity
from tests.agent.sinks.transport_contract import ids_in

PATH = shutil.which("rsyslogd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/sbin")

_MODULES = ("imtcp.so", "imrelp.so", "lmnsd_ossl.so", "lmnsd_gtls.so")

_FOLDERS = (
    *Path("/usr/lib").glob("*/rsyslog"),
    Path("/usr/lib/rsyslog"),
    Path("/usr/lib64/rsyslog"),
)

needs_rsyslog = pytest.mark.skipif(
    PATH is None or not all(any((at / so).exists() for at in _FOLDERS) for so in _MODULES),
    reason="needs rsyslogd (Debian: rsyslog, rsyslog-relp, rsyslog-openssl, rsyslog-gnutls)",
)

_CONFIG = """
global(workDirectory="{folder}" maxMessageSize="64k" {extra})
main_queue(queue.type="Direct")
template(name="fields" type="string"
  string="%pri% %timestamp:::date-rfc3339% %hostname% %app-name% %procid% %msgid% \
%structured-data% %msg%\\n")
{module}
{input}
action(type="omfile" file="{output}" template="fields" asyncWriting="off" flushOnTXEnd="on")
"""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM, host: str = "127.0.0.1") -> int:
    """A port that nobody uses now, and that no outgoing connection is given."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket(family, kind) as taken, contextlib.suppress(OSError):
            taken.bind((host, port))
            return port


class Syslogd:
    """One rsyslogd that writes what it gets to a file.

    Attributes:
        port: Where it listens.
        output: The file.
    """

    def __init__(
        self,
        folder: Path,
        module: str,
        listen: str,
        *,
        extra: str = "",
        kind: socket.SocketKind = socket.SOCK_STREAM,
        host: str = "127.0.0.1",
    ) -> None:
        """A receiver that is not started.

        Args:
            folder: For its files.
            module: Its `module(…)`.
            listen: Its `input(…)`, with `{port}`.
            extra: What else `global(…)` says.
            kind: Of its socket.
            host: Where it listens.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._kind = kind
        self._host = host
        self.port = free_port(kind, host)
        self.output = folder / "received"
        self._config = folder / "rsyslog.conf"
        self._config.write_text(
            _CONFIG.format(
                folder=folder,
                extra=extra,
                module=module,
                input=listen.replace("{port}", str(self.port)),
                output=self.output,
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        assert PATH is not None
        command = [PATH, "-n", "-f", str(self._config), "-i", str(self._folder / "pid")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + 60
        while not self._listens():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < until, (self._folder / "log").read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once, whatever it holds."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """Stop it: its system takes connections and bytes, it reads none."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def resume(self) -> None:
        """Let it go on, if it runs."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def lines(self) -> list[str]:
        """What it wrote, a message a line."""
        if not self.output.exists():
            return []
        return self.output.read_text(errors="replace").splitlines()

    def ids(self) -> list[str]:
        """Ids of the records in what it wrote; what broke off has none."""
        return ids_in(self.lines())

    def _listens(self) -> bool:
        """Whether its port is taken, by the tables of the system."""
        tables = ("udp", "udp6") if self._kind is socket.SOCK_DGRAM else ("tcp", "tcp6")
        state = "07" if self._kind is socket.SOCK_DGRAM else "0A"
        for table in tables:
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[1].endswith(f":{self.port:04X}") and fields[3] == state:
                    return True
        return False


def udp_receiver(folder: Path) -> Syslogd:
    """imudp."""
    return Syslogd(
        folder,
        'module(load="imudp")',
        'input(type="imudp" address="127.0.0.1" port="{port}" rcvbufSize="4m")',
        kind=socket.SOCK_DGRAM,
    )


def tcp_receiver(folder: Path, host: str = "127.0.0.1") -> Syslogd:
    """imtcp."""
    return Syslogd(
        folder,
        'module(load="imtcp")',
        f'input(type="imtcp" address="{host}" port="{{port}}")',
        host=host,
    )


def tls_receiver(
    folder: Path,
    authority: Authority,
    identity: Identity,
    peer: str | None = None,
    driver: str = "ossl",
) -> Syslogd:
    """imtcp with TLS.

    Args:
        folder: For its files.
        authority: Vouches for clients.
        identity: Its own.
        peer: Name of the only client it takes anything from, None: it asks nobody.
        driver: `ossl` or `gtls`.
    """
    mode = 'anon"' if peer is None else f'x509/name" permittedPeer=["{peer}"]'
    return Syslogd(
        folder,
        'module(load="imtcp")',
        f'input(type="imtcp" address="127.0.0.1" port="{{port}}" streamDriver.name="{driver}"'
        f' streamDriver.mode="1" streamDriver.authMode="{mode})',
        extra=f'defaultNetstreamDriver="{driver}"'
        f' defaultNetstreamDriverCAFile="{authority.certificate}"'
        f' defaultNetstreamDriverCertFile="{identity.certificate}"'
        f' defaultNetstreamDriverKeyFile="{identity.key}"',
    )


def relp_receiver(
    folder: Path,
    authority: Authority | None = None,
    identity: Identity | None = None,
    peer: str = "sensor",
) -> Syslogd:
    """imrelp, with TLS if there is an authority.

    Args:
        folder: For its files.
        authority: Vouches for clients.
        identity: Its own.
        peer: Name of the only client it takes anything from.
    """
    tls = ""
    if authority is not None and identity is not None:
        tls = (
            f' tls="on" tls.caCert="{authority.certificate}" tls.myCert="{identity.certificate}"'
            f' tls.myPrivKey="{identity.key}" tls.authMode="name" tls.permittedPeer=["{peer}"]'
        )
    return Syslogd(
        folder,
        'module(load="imrelp" tls.tlslib="openssl")',
        f'input(type="imrelp" address="127.0.0.1" port="{{port}}" maxDataSize="128k"{tls})',
    )
