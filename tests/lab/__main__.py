"""Command line of the lab: a capture, its labels, its recording, packs taught on one."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from metatap.demo import read_labels
from tests.lab import counts, packs, recording, truth
from tests.lab.networks import NETWORKS
from tests.lab.run import run

_TOOLS = (
    *("ip", "nft", "sysctl", "tcpdump", "nginx", "dnsmasq", "iodine", "iodined", "nmap", "hydra"),
    *(
        "/usr/sbin/sshd",
        "ssh",
        "curl",
        "wget",
        "dig",
        "ping",
        "openssl",
        "logger",
        "lftp",
        "vsftpd",
    ),
    *("medusa", "ncrack", "masscan", "mausezahn", "hping3", "slowhttptest", "dns2tcpc", "dns2tcpd"),
    *("mosquitto", "mosquitto_pub", "mosquitto_sub", "snmpd", "snmpget", "snmpbulkwalk"),
)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  (this is a command line)


def _make(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--network", choices=sorted(NETWORKS), required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        parser.error(f"install packages.txt first, missing: {' '.join(missing)}")
    if os.geteuid() != 0:
        parser.error("network namespaces need root")
    try:
        run(NETWORKS[args.network], args.out, args.seed, _say)
    except KeyboardInterrupt:
        parser.exit(130, "interrupted, namespaces are removed, no truth was written\n")


def _label(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.lab label")
    parser.add_argument("--conn", type=Path, required=True, help="Zeek's conn.log as JSON")
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    found = truth.label_log(args.conn, truth.load(args.truth), args.out)
    for (label, family), count in sorted(found.items()):
        _say(f"{label:10} {family:16} {count:6}")


def _record(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.lab record")
    parser.add_argument("--pcap", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the recording, *.mtrec")
    parser.add_argument("--labels", type=Path, required=True, help="CSV of every connection")
    parser.add_argument("--logs", type=Path, help="folder for Zeek's logs of the same run")
    args = parser.parse_args(argv)
    result = recording.make(args.pcap, args.truth, args.out, args.labels, args.logs)
    _say(f"{args.out}: {result.flows} flows, {result.lost} lost")


def _packs(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.lab packs")
    parser.add_argument("--recording", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the pack files")
    parser.add_argument("--created", type=date.fromisoformat, required=True)
    args = parser.parse_args(argv)
    packs.write_starters(args.recording, read_labels(args.labels), args.out, args.created)


def _counts(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.lab counts")
    parser.add_argument("--data", type=Path, required=True, help="folder of the labels")
    args = parser.parse_args(argv)
    sys.stdout.write(counts.table(args.data))


_COMMANDS = {"label": _label, "record": _record, "packs": _packs, "counts": _counts}


def main() -> None:
    """Run a subcommand or, without one, make a capture."""
    words = sys.argv[1:]
    _COMMANDS[words[0]](words[1:]) if words[:1] and words[0] in _COMMANDS else _make(words)


if __name__ == "__main__":
    main()
