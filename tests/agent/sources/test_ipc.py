"""Unix sockets are not taken from living processes."""

from __future__ import annotations

import fcntl
import os
import re
import socket
from pathlib import Path

import pytest

from metatap.errors import SourceError
from metatap.sources import ZeekZeroMQ, ipc
from metatap.sources.ipc import unshared
from tests.agent.sources.contract import closing, read_all
from tests.agent.sources.samples import Zeek
from tests.agent.sources.test_zeek_zeromq import Wire, send, wire

__all__ = ["wire"]


def test_a_second_agent_on_one_unix_socket_is_refused(wire: Wire, tmp_path: Path) -> None:
    """By name; the first one goes on hearing its Zeek, and those that come later."""
    address = f"ipc://{tmp_path / 'z.ipc'}"
    url = f"zeek+{address}?bind=1"
    with closing(ZeekZeroMQ.from_url(url)) as first:
        refusal = re.escape(f"{address}: can't be bound: another process listens there")
        with pytest.raises(SourceError, match=refusal):
            ZeekZeroMQ.from_url(url)
        send(wire.zeek(address, first), Zeek().batch(3))
        assert sum(batch.rows for batch in read_all(first, 3)) == 3
    with closing(ZeekZeroMQ.from_url(url)) as next_one:
        assert not next_one.done


def test_what_goes_back_to_zeek_is_guarded_too(tmp_path: Path) -> None:
    """The same holds for the other socket."""
    back = f"ipc://{tmp_path / 'back.ipc'}"
    urls = [f"zeek+ipc://{tmp_path / name}?bind=1&to_zeek={back}" for name in "ab"]
    with (
        closing(ZeekZeroMQ.from_url(urls[0])),
        pytest.raises(SourceError, match="another process listens there"),
    ):
        ZeekZeroMQ.from_url(urls[1])


def test_what_a_dead_process_left_is_taken_over(tmp_path: Path) -> None:
    """Its socket file stays behind, nobody listens."""
    path = tmp_path / "z.ipc"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.is_socket()
    with closing(ZeekZeroMQ.from_url(f"zeek+ipc://{path}?bind=1")) as source:
        assert not source.done


def test_a_busy_listener_is_alive(tmp_path: Path) -> None:
    """One whose queue of connections is full can't be connected to, and yet is there."""
    path = tmp_path / "z.ipc"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(path))
        busy.listen(0)
        waiting.connect(str(path))
        with pytest.raises(SourceError, match="another process listens"), unshared(f"ipc://{path}"):
            pass


def test_a_path_that_cannot_be_a_socket_is_named(tmp_path: Path) -> None:
    """With the system's reason."""
    path = tmp_path / ("x" * 200)
    with (
        pytest.raises(SourceError, match=r"x: can't be bound: .*too long"),
        unshared(f"ipc://{path}"),
    ):
        pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "ipc://@abstract", "ipc://*"])
def test_other_addresses_are_left_to_zeromq(address: str) -> None:
    """It refuses those that are in use itself."""
    with unshared(address):
        pass


def test_a_folder_locked_by_something_else_is_no_reason_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for, and not forever; while it binds, an agent holds the lock."""
    monkeypatch.setattr(ipc, "_LOCK_WAIT_S", 0.05)
    handle = os.open(tmp_path, os.O_RDONLY)
    with unshared(f"ipc://{tmp_path / 'z'}"), pytest.raises(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with closing(ZeekZeroMQ.from_url(f"zeek+ipc://{tmp_path / 'z'}?bind=1")) as source:
        assert not source.done
    os.close(handle)
