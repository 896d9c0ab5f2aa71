"""metatap.runtime.outlets: sinks of a configuration, behind the spool and without it."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.agent.formats.cases import DOCUMENTS

from metatap.errors import ConfigError
from metatap.runtime.check import check
from metatap.runtime.config import Config, load_config
from metatap.runtime.outlets import Outlets, clashes, direct_sinks, need_state


def config(folder: Path, sinks: str, more: str = "") -> Config:
    path = folder / "m.yaml"
    path.write_text(f"{more}\nsinks:\n{sinks}")
    return load_config(path)


def lines() -> list[bytes]:
    return [msgspec.json.encode(document) for document in DOCUMENTS.values()]


def severities() -> list[str]:
    return [document["metatap"]["pack"]["severity"] for document in DOCUMENTS.values()]


def wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Receiver:
    """A syslog receiver, newline framing; what it got is in `got`."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.got = b""
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with peer:
                while content := peer.recv(65536):
                    self.got += content

    def close(self) -> None:
        self._listener.close()


def test_each_sink_gets_what_it_is_for_in_its_language(tmp_path: Path) -> None:
    """A file in ECS, one of severe alerts in CEF, syslog in OCSF; each says what became of it."""
    receiver = Receiver()
    given = config(
        tmp_path,
        "  - {type: file, path: all.jsonl}\n"
        "  - {type: file, path: high.cef, format: cef, min_severity: high}\n"
        f"  - {{type: syslog, host: 127.0.0.1, port: {receiver.port}, framing: newline,"
        " format: ocsf}\n",
        "state: state",
    )
    outlets = Outlets(given, tmp_path)
    outlets.append(lines())
    wait(lambda: all(sink["waiting"] == 0 for sink in outlets.status()))
    outlets.close()
    assert (tmp_path / "all.jsonl").read_bytes().splitlines() == lines()
    high = [severity for severity in severities() if severity in {"high", "critical"}]
    written = (tmp_path / "high.cef").read_text().splitlines()
    assert len(written) == len(high)
    assert all(line.startswith("CEF:0|metatap|metatap|") for line in written)
    events = [json.loads(line[line.index(b"{") :]) for line in receiver.got.splitlines()]
    assert [event["class_uid"] for event in events] == [2004] * len(DOCUMENTS)
    for sink in outlets.status():
        settled = sink["passed"] + sink["filtered"] + sum(sink["dropped"].values())
        assert sink["received"] == settled == len(DOCUMENTS)
    receiver.close()


def test_what_could_not_be_delivered_is_delivered_after_a_restart(tmp_path: Path) -> None:
    """Alerts wait in the state folder while the receiver is away and while nobody runs."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    given = config(
        tmp_path,
        f"  - {{type: syslog, host: 127.0.0.1, port: {port}, framing: newline}}\n",
        "state: state",
    )
    outlets = Outlets(given, tmp_path)
    outlets.append(lines())
    wait(lambda: sum(outlets.status()[0]["errors"].values()) > 0)
    outlets.close()
    assert outlets.status()[0]["waiting"] == len(DOCUMENTS)
    file = config(tmp_path, "  - {type: file, path: late.jsonl}\n", "state: state")
    again = Outlets(file, tmp_path)
    wait(lambda: again.status()[0]["waiting"] == 0)
    again.close()
    assert (tmp_path / "late.jsonl").read_bytes().splitlines() == lines()
    assert again.report()["forgotten"] == {f"syslog+tcp:127.0.0.1:{port}": len(DOCUMENTS)}


def test_without_a_spool(tmp_path: Path) -> None:
    """A file's filter and format hold; what needs the spool is left out."""
    given = config(
        tmp_path,
        "  - {type: file, path: a.eve, format: eve, packs: [nobody]}\n"
        "  - {type: file, path: b.eve, format: eve}\n"
        "  - {type: syslog, host: siem}\n",
    )
    sinks = direct_sinks(given, spooled=False)
    assert [sink.name for sink in sinks] == [f"file:{tmp_path}/a.eve", f"file:{tmp_path}/b.eve"]
    for sink in sinks:
        sink.write(lines())
        sink.close()
    assert [sink.alerts.received for sink in sinks] == [len(DOCUMENTS)] * 2
    assert [sink.alerts.dropped for sink in sinks] == [{"filtered": len(DOCUMENTS)}, {}]
    assert all(sink.alerts.balanced for sink in sinks)
    assert not (tmp_path / "a.eve").exists()
    for line in (tmp_path / "b.eve").read_bytes().splitlines():
        assert json.loads(line)["event_type"] == "alert"


def test_an_alert_that_cannot_be_written_stops_no_other(tmp_path: Path) -> None:
    """It is counted."""
    given = config(tmp_path, "  - {type: file, path: a.eve, format: eve}\n")
    (sink,) = direct_sinks(given, spooled=False)
    sink.write([b"{", *lines()])
    sink.close()
    assert sink.alerts.dropped == {"unencodable": 1}
    assert sink.alerts.passed == len(DOCUMENTS)


def test_a_sink_that_needs_state(tmp_path: Path) -> None:
    """Where there is none, the check and the start say which sink, and where it is."""
    given = config(tmp_path, "  - {type: stdout}\n  - {type: syslog, host: siem}\n")
    (fault,) = need_state(given)
    assert fault.startswith(f"{tmp_path}/m.yaml:4: sink syslog: needs `state`")
    assert fault in check(lambda: given).faults


@pytest.mark.parametrize(
    ("sinks", "fault"),
    [
        (
            "  - {type: syslog, host: a}\n  - {type: syslog, host: a, format: cef}\n",
            "syslog+tcp:a:514 is listed twice: give one of them another `name`",
        ),
        ("  - {type: relp, host: a, tls: true, ca_file: none.pem}\n", "none.pem: No such file"),
    ],
)
def test_transports_that_cannot_be_made(tmp_path: Path, sinks: str, fault: str) -> None:
    """The check finds them, the start refuses them."""
    given = config(tmp_path, sinks, "state: state")
    with pytest.raises(ConfigError, match=re.escape(fault)):
        Outlets(given, tmp_path)
    assert any(fault in found for found in check(lambda: given).faults)


def test_a_source_that_binds_what_a_sink_binds(tmp_path: Path) -> None:
    """It is told which, and what to do; connecting sinks are no matter."""
    source = "sources: [{url: 'zeek+ipc:///a?bind=1&to_zeek=ipc:///b'}]\nstate: state"
    sink = "  - {{type: zeek, address: 'ipc:///b', bind: {}}}\n"
    (fault,) = clashes(config(tmp_path, sink.format("true"), source))
    where = tmp_path / "m.yaml"
    assert fault.startswith(f"{where}:4: sink zeek: {where}:1 binds ipc:///b too: take `to_zeek`")
    assert not clashes(config(tmp_path, sink.format("false"), source))


def test_two_of_a_kind_under_two_names(tmp_path: Path) -> None:
    """One receiver can have two sinks, told apart by name."""
    given: Any = config(
        tmp_path,
        "  - {type: syslog, host: a, name: one}\n  - {type: syslog, host: a, name: two}\n",
        "state: state",
    )
    outlets = Outlets(given, tmp_path, start=False)
    assert [sink["name"] for sink in outlets.status()] == ["one", "two"]
    outlets.spool.close()
