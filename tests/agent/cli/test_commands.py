"""The subcommands of `metatap`, run as a user runs them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
import zmq
from tests.agent.commands import metatap

from metatap.demo import judge, read_labels
from metatap.runtime.build import shipped_packs
from metatap.sources.replay import replay_to_zmq

LAB = Path(__file__).parents[2] / "data" / "lab"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "metatap.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "sources": [{"url": f"zeek+ipc://{tmp_path}/zeek.ipc?bind=1"}],
                "packs": str(tmp_path / "packs"),
                "sinks": [{"type": "file", "path": str(tmp_path / "alerts.jsonl")}],
            }
        )
    )
    (tmp_path / "packs").mkdir()
    for pack in shipped_packs().glob("*.yaml"):
        (tmp_path / "packs" / pack.name).write_bytes(pack.read_bytes())
    return path


def test_help_names_every_subcommand() -> None:
    """`metatap --help` lists the subcommands without importing them."""
    done = metatap("--help")
    assert done.returncode == 0
    for name in ("run", "replay", "record", "check", "teach", "score", "evaluate", "demo"):
        assert name in done.stdout


def test_the_command_line_is_light() -> None:
    """Showing help imports neither ONNX Runtime nor NumPy."""
    code = "import sys, metatap.cli; sys.exit(bool({'onnxruntime', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_subcommand() -> None:
    """A subcommand that does not exist is an error with status 2."""
    done = metatap("rnu")
    assert done.returncode == 2
    assert "rnu" in done.stderr


def test_check_says_what_is_in_order(config: Path) -> None:
    """A good configuration gives status 0 and a line for model and each pack."""
    done = metatap("check", "--config", config)
    assert done.returncode == 0, done.stderr
    assert "model: " in done.stdout
    assert done.stdout.count("pack ") == len(list(shipped_packs().glob("*.yaml")))


def test_check_lists_every_fault(config: Path) -> None:
    """Faults of several pack files are all named, with file and line, and status is 1."""
    packs = config.parent / "packs"
    (packs / "one.yaml").write_text("pack: 1\nid: ONE\nflowz: []\n")
    (packs / "two.yaml").write_text("- not a pack\n")
    done = metatap("check", "--config", config)
    assert done.returncode == 1
    assert "one.yaml:2" in done.stderr
    assert "flows" in done.stderr
    assert "two.yaml:1" in done.stderr


def test_check_names_a_bad_model(config: Path) -> None:
    """A model file that is none is a fault that names it."""
    bad = config.parent / "bad.onnx"
    bad.write_text("no")
    done = metatap("check", "--config", config, "--model", bad)
    assert done.returncode == 1
    assert str(bad) in done.stderr


def test_replay_writes_alerts_and_totals(tmp_path: Path) -> None:
    """A recording's alerts go to standard output, its totals to standard error."""
    done = metatap("replay", LAB / "office.mtrec")
    assert done.returncode == 0, done.stderr
    alerts = tmp_path / "alerts.jsonl"
    alerts.write_text(done.stdout)
    verdict = judge(alerts, read_labels(LAB / "office.labels.csv"))
    assert {alert["rule"]["id"] for alert in verdict.alerts} >= {"dns-tunnel", "port-scan"}
    assert f"{sum(verdict.total.values()):,} flows" in done.stderr


def test_replay_of_nothing(tmp_path: Path) -> None:
    """A file that is not there is an error with its name, status 1, no traceback."""
    done = metatap("replay", tmp_path / "none.mtrec")
    assert done.returncode == 1
    assert "none.mtrec" in done.stderr
    assert "Traceback" not in done.stderr


def test_replay_of_a_cut_file(tmp_path: Path) -> None:
    """A recording that ends early is read as far as it goes; what is missing is reported."""
    whole = (LAB / "office.mtrec").read_bytes()
    cut = tmp_path / "cut.mtrec"
    cut.write_bytes(whole[: len(whole) // 2])
    done = metatap("replay", cut)
    assert done.returncode == 0
    assert "1 dropped: truncated" in done.stderr


def test_record_keeps_what_zeek_sent(tmp_path: Path) -> None:
    """What `record` wrote gives the same flows as what was played to it."""
    out = tmp_path / "again.mtrec"
    command = [sys.executable, "-m", "metatap", "record"]
    process = subprocess.Popen(
        [*command, f"zeek+ipc://{tmp_path}/zeek.ipc?bind=1", str(out)],
        stderr=subprocess.PIPE,
        text=True,
    )
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publisher = context.socket(zmq.XPUB)
    try:
        publisher.connect(f"ipc://{tmp_path}/zeek.ipc")
        sent = replay_to_zmq(LAB / "office.mtrec", publisher)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
        publisher.close(linger=0)
        context.term()
    assert process.returncode == 0
    assert f"{sent.flows:,} flows, 0 lost" in said
    assert "ended by final" in said
    assert metatap("replay", out).stdout


def test_record_ends_on_term(tmp_path: Path) -> None:
    """TERM ends a recording with status 0 and a file that can be read."""
    out = tmp_path / "empty.mtrec"
    command = [sys.executable, "-m", "metatap", "record"]
    process = subprocess.Popen(
        [*command, f"zeek+ipc://{tmp_path}/zeek.ipc?bind=1", str(out)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "listening" in process.stderr.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "ended by stop" in said
    assert metatap("replay", out).returncode == 0


def test_demo_finds_the_threats(tmp_path: Path) -> None:
    """The demo leaves alerts of four packs, and at most one falsely alerted flow."""
    done = metatap("demo", "--out", tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "demo"
    verdict = judge(out / "alerts.jsonl", read_labels(out / "labels.csv"))
    assert len({alert["rule"]["id"] for alert in verdict.alerts}) >= 4
    assert len(verdict.false_uids) <= 1
    assert all(alert["event"]["reason"] for alert in verdict.alerts)
    lines = (out / "agent.log").read_text().splitlines()
    stopped = [json.loads(line) for line in lines if '"agent_stopped"' in line]
    assert stopped[0]["flows"] == sum(verdict.total.values())
    for text in ("port-scan", "ssh_bruteforce", "flows/s", "falsely alerted"):
        assert text in done.stdout
