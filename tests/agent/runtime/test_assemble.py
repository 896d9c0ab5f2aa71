"""metatap.runtime.assemble and faults: what a fault leaves in force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs
from tests.agent.runtime.running import other_model

from metatap.detector import Model
from metatap.errors import ConfigError, ModelError
from metatap.packs import PackState
from metatap.runtime.assemble import Assembler, Assembly
from metatap.runtime.build import shipped_packs
from metatap.runtime.config import load_config
from metatap.runtime.faults import Faults
from metatap.runtime.models import Models
from metatap.runtime.settings import Config


class Made:
    """An assembler over a folder of packs, and what it made last."""

    def __init__(self, folder: Path) -> None:
        self.packs = folder / "packs"
        self.packs.mkdir()
        for path in shipped_packs().glob("*.yaml"):
            (self.packs / path.name).write_bytes(path.read_bytes())
        self.model = other_model(folder / "model.onnx", "1")
        self.assembler = Assembler(Models(None))
        self.now = self.make()

    @property
    def config(self) -> Config:
        return load_config(flags={"packs": str(self.packs), "model": str(self.model)})

    def make(self, *unfinished: Path) -> Assembly:
        self.now = self.assembler.assemble(self.config, unfinished)
        self.assembler.rules = self.now.rules
        if self.assembler.models.current is not self.now.serving:
            self.assembler.models.took(self.now.serving)
        return self.now

    def sha256(self, name: str) -> str | None:
        return {pack.id: pack.sha256 for pack in self.now.rules.packs}.get(name)

    def states(self, path: Path) -> list[PackState]:
        return sorted(state.state for state in self.now.rules.states if state.path == path)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


USELESS = """pack: 1
id: port-scan
name: Nothing in common
severity: low
flows:
  - {uid: C1, id.orig_h: 10.0.0.1, id.resp_h: 10.0.0.2, id.resp_p: 53, proto: udp, service: dns}
not_like:
  - {uid: C2, id.orig_h: 10.0.0.1, id.resp_h: 10.0.0.2, id.resp_p: 53, proto: udp, service: dns}
"""


@pytest.mark.parametrize("text", ["junk", "pack: 1\nid: port-scan\n", USELESS])
def test_a_faulty_replacement_leaves_the_pack(made: Made, text: str) -> None:
    """Not YAML, no pack, or no use: the pack of before is in force, the others are the same."""
    path = made.packs / "port-scan.yaml"
    before, heads = made.sha256("port-scan"), made.now.rules.heads
    path.write_text(text)
    made.make()
    assert made.sha256("port-scan") == before
    assert made.states(path) == [PackState.ACTIVE, PackState.QUARANTINED]
    np.testing.assert_array_equal(made.now.rules.heads, heads)
    made.make()  # and stays so
    assert made.sha256("port-scan") == before
    path.unlink()
    made.make()
    assert made.sha256("port-scan") is None


def test_a_faulty_pack_that_moved_is_not_kept_twice(made: Made) -> None:
    """If another file has the id meanwhile, that one is in force."""
    path = made.packs / "port-scan.yaml"
    (made.packs / "new.yaml").write_bytes(path.read_bytes() + b"# moved\n")
    path.write_text("junk")
    made.make()
    in_force = [pack for pack in made.now.rules.packs if pack.id == "port-scan"]
    assert [pack.path for pack in in_force] == [made.packs / "new.yaml"]


def test_an_unfinished_file_is_not_read(made: Made) -> None:
    """What is being written is loading; the pack of before stays in its place."""
    path, new = made.packs / "port-scan.yaml", made.packs / "new.yaml"
    before = made.sha256("port-scan")
    path.write_bytes(path.read_bytes() + b"# half\n")
    new.write_bytes(path.read_bytes().replace(b"id: port-scan", b"id: new"))
    made.make(path, new)
    assert made.sha256("port-scan") == before
    assert made.sha256("new") is None
    assert made.states(new) == [PackState.LOADING]
    made.make()
    assert made.sha256("port-scan") not in {before, None}
    assert made.sha256("new") is not None


def test_a_folder_that_is_gone_leaves_the_packs(made: Made) -> None:
    """At the start it is an error; later the packs in force stay, with a fault."""
    before = [pack.id for pack in made.now.rules.packs]
    made.packs.rename(made.packs.with_name("away"))
    made.make()
    assert [pack.id for pack in made.now.rules.packs] == before
    assert made.now.faults["folder"]
    with pytest.raises(ConfigError, match="packs"):
        Assembler(Models(None)).assemble(made.config)


def test_a_model_that_silences_everything_is_refused(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new model with which no pack is in force, or whose scores are no numbers, is refused."""
    adapt = Model.adapt

    def fails(self: Model, *inputs: np.ndarray) -> np.ndarray:
        if self.meta.version == "2":
            raise ModelError("not finite")
        return adapt(self, *inputs)

    other_model(made.model, "2")
    selftest = Model._selftest
    monkeypatch.setattr(Model, "_selftest", lambda _: None)
    monkeypatch.setattr(Model, "adapt", fails)
    made.make()
    assert made.now.serving.scorer.meta.version == "1"
    assert "no pack is in force with it" in made.now.faults["model"][0][1]
    monkeypatch.setattr(Model, "adapt", adapt)
    monkeypatch.setattr(Model, "_selftest", selftest)
    score = Model.score

    def nothing(self: Model, *inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores, embedding = score(self, *inputs)
        return (scores * np.nan, embedding) if len(inputs[0]) > 1000 else (scores, embedding)

    monkeypatch.setattr(Model, "score", nothing)
    other_model(made.model, "3")
    made.make()
    assert made.now.serving.scorer.meta.version == "1"
    assert "not finite numbers" in made.now.faults["model"][0][1]
    monkeypatch.setattr(Model, "score", score)
    made.make()
    assert made.now.serving.scorer.meta.version == "3"


def test_a_fault_is_told_once_and_counted() -> None:
    """Until it is mended a fault is one; what may be half a file is not told yet."""
    faults, path = Faults(), Path("a.yaml")
    with capture_logs() as logs:
        assert faults.renew("packs", [(path, "half")], {path}) == {path}
        assert not faults.open()
        assert faults.renew("packs", [(path, "bad")]) == set()
        faults.renew("packs", [(path, "bad")], {path})
        faults.renew("model", [(path, "junk")])
        assert [fault.reason for fault in faults.open()] == ["bad", "junk"]
        faults.renew("packs", [])
        assert [fault.reason for fault in faults.open()] == ["junk"]
        faults.renew("packs", [(path, "bad")])
    assert faults.failed == {"packs": 2, "model": 1}
    assert faults.last is not None
    assert faults.last.reason == "bad"
    assert [e["event"] for e in logs] == ["pack_invalid", "reload_failed", "pack_invalid"]
