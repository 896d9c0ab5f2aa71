"""A capture through real Zeek with our script into a recording and its labels."""

import gzip
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

from metatap.sources.recorder import RecordResult, Until, record
from tests.lab import truth

ROOT = Path(__file__).parent.parent.parent
ZEEK_LIMIT = 600.0

LOCAL_NETS = """
redef Site::private_address_space_is_local = F;
redef Site::local_nets += { 10.0.0.0/8, 172.16.0.0/12 };
"""
"""As a site would set it: the documentation ranges that play the internet are not local."""


def zeek() -> str:
    """Path of Zeek: named by ZEEK, or on the PATH.

    Raises:
        FileNotFoundError: there is none.
    """
    found = os.environ.get("ZEEK") or shutil.which("zeek")
    if not found:
        raise FileNotFoundError("no zeek on the PATH and none named by ZEEK")
    return found


KEPT_LOGS = ("conn", "dns", "http", "ssl", "ssh")
"""Logs that are kept beside a recording, if a folder for them is named."""


def make(
    pcap: Path, rules: Path, out: Path, labels: Path, logs: Path | None = None
) -> RecordResult:
    """Record what Zeek sends of a capture and label every connection.

    Args:
        pcap: The capture.
        rules: The lab's truth file of it.
        out: The recording.
        labels: CSV `uid,label,family,technique`.
        logs: Folder for the same run's `KEPT_LOGS` as `*.log.gz`; None keeps none.

    Raises:
        RuntimeError: flows were lost, or their number is not that of conn.log.
        SourceError: the recording can't be made.
        CalledProcessError: Zeek failed.
    """
    results: list[RecordResult] = []
    endpoint, other = _free_endpoint(), _free_endpoint()
    ended = threading.Event()
    listening = threading.Event()

    def listen() -> None:
        until = Until(stop=ended.is_set, final=True)
        url = f"zeek+{endpoint}?bind=1"
        results.append(record(url, out, until, ready=lambda _address: listening.set()))

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        listening.wait(10.0)
        with tempfile.TemporaryDirectory() as folder:
            _run_zeek(pcap, Path(folder), endpoint, other)
            listener.join(10.0)
            truth.label_log(Path(folder) / "conn.log", truth.load(rules), labels)
            if logs is not None:
                _keep_logs(Path(folder), logs)
    finally:
        ended.set()
        listener.join()
    rows = len(labels.read_text(encoding="utf-8").splitlines()) - 1
    if not results or results[0].lost or results[0].flows != rows:
        raise RuntimeError(f"{out}: {results} for {rows} connections in conn.log")
    return results[0]


def _keep_logs(folder: Path, out: Path) -> None:
    """Compress the logs, without a time stamp, so that equal logs are equal files."""
    out.mkdir(parents=True, exist_ok=True)
    for name in KEPT_LOGS:
        if (log := folder / f"{name}.log").is_file():
            content = gzip.compress(log.read_bytes(), mtime=0)
            (out / f"{name}.log.gz").write_bytes(content)


def _run_zeek(pcap: Path, folder: Path, endpoint: str, other: str) -> None:
    backend = "Cluster::Backend::ZeroMQ::connect"
    subprocess.run(
        [
            zeek(),
            "-C",
            "-r",
            str(pcap.resolve()),
            str(ROOT / "zeek_scripts" / "metatap"),
            "-e",
            LOCAL_NETS,
            "LogAscii::use_json=T",
            f"{backend}_xpub_endpoint={endpoint}",
            f"{backend}_xsub_endpoint={other}",
        ],
        cwd=folder,
        check=True,
        timeout=ZEEK_LIMIT,
    )


def _free_endpoint() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"
