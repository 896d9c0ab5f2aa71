"""A folder full of hostile packs beside the starter packs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from tests.agent.detector.networks import Network, read_network

from metatap.detector import Model, RuleSet, shipped_model
from metatap.packs import (
    Fault,
    Folder,
    Pack,
    PackState,
    Trust,
    Unsigned,
    dump_pack,
    load_folder,
    read_folder,
)
from metatap.packs.keys import make_keys, read_private
from metatap.packs.signature import sign, signature_path
from metatap.runtime.build import shipped_packs

RATE = 1e-4
EACH = 10
"""Packs of each kind."""

HEAD = "pack: 1\nid: {}\nname: Hostile\ncreated: 2026-11-24\nseverity: low\n"
FLOW = "  - {{proto: tcp, id.resp_p: 22, {}}}\n"


@dataclass(frozen=True)
class Kind:
    """A kind of hostile pack.

    Attributes:
        faults: What it may be quarantined for.
        text: The file's content of the n-th, None: it is made by `write`.
        signed: Whether it is signed by the trusted key.
        write: Writes the file.
    """

    faults: set[Fault]
    text: Callable[[int], str] | None = None
    signed: bool = True
    write: Callable[[int, Path], None] | None = None


def bomb(number: int) -> str:
    head = HEAD.format(f"bomb-{number}")
    return (
        head
        + (
            "a: &a [x, x]\nflows: [*a, *a]\n",
            "flows: " + "[" * 10_000 + "\n",
            "flows: [" + "{a: b}," * 60_000 + "]\n",
            "flows: !!python/object/apply:os.system ['true']\n",
            "flows:\n" + FLOW.format(f"uid: {'x' * 500_000}"),
        )[number % 5]
    )


def huge(number: int) -> str:
    values = ("orig_bytes: 1e300", "duration: 1e300", f"resp_bytes: {2**64}", "ts: 1e30", "uid: 1")
    context = "context: {host.flows.s: 1e16}"
    value = values[number % 5] if number % 5 < 4 else context
    return HEAD.format(f"huge-{number}") + "context_version: 1\nflows:\n" + FLOW.format(value)


def not_a_number(number: int) -> str:
    values = ("duration: .nan", "orig_bytes: NaN", "ts: .inf", "duration: -.inf", "resp_bytes: nan")
    return HEAD.format(f"nan-{number}") + "flows:\n" + FLOW.format(values[number % 5])


def million(number: int, path: Path) -> None:
    """10^6 flows in one file, the others with a GiB that is never read."""
    head = HEAD.format(f"million-{number}") + "flows:\n"
    with path.open("w") as file:
        file.write(head)
        if number == 0:
            file.writelines("  - {proto: tcp}\n" for _ in range(10**6))
    if number:
        os.truncate(path, 2**30)


def kinds(starters: list[Pack], office: Network, clinic: Network) -> dict[str, Kind]:
    """All kinds by name; the content of a pack depends on its number only."""
    like, rng = starters[0], np.random.default_rng(1)

    def rows(network: Network, family: str, count: int) -> npt.NDArray[np.intp]:
        chosen: npt.NDArray[np.intp] = rng.choice(network.of(family), count, replace=False)
        return chosen

    def contradicts(number: int) -> str:
        pack = starters[number % len(starters)]
        more: dict[str, object] = {"not_like": pack.flows, "not_like_context": pack.context}
        if number % 2:
            one = np.array([0])
            assert pack.context is not None
            more = {"not_like": pack.flows.take(one), "not_like_context": pack.context[one]}
        text = dump_pack(office.pack(f"contra-{number}", np.array([0]), pack, **more))
        own = dump_pack(pack).partition("flows:\n")[2].partition("not_like:")[0]
        head, _, rest = text.partition("flows:\n")
        counter = rest.partition("not_like:\n")[2].replace("uid: C", "uid: D")
        return f"{head}flows:\n{own}not_like:\n{counter}"

    def nothing_in_common(number: int) -> str:
        families = sorted(set(office.family))
        mixed = np.array([rng.choice(office.of(name)) for name in families])
        return dump_pack(office.pack(f"mix-{number}", mixed, like))

    def background(number: int) -> str:
        family = ("dns", "web", "ssh", "monitoring", "hl7")[number % 5]
        return dump_pack(clinic.pack(f"usual-{number}", rows(clinic, family, 5), like))

    def recent(number: int) -> str:
        return dump_pack(office.pack(f"lately-{number}", rows(office, "dns", 8), like))

    def plain(name: str) -> Callable[[int], str]:
        return lambda number: dump_pack(
            office.pack(f"{name}-{number}", office.of("port_scan")[:5], like)
        )

    def duplicate(number: int) -> str:
        text = dump_pack(starters[number % len(starters)])
        return text.replace("severity: ", f"author: me-{number}\nseverity: ").replace(
            "author: metatap\n", ""
        )

    def newer(number: int) -> str:
        return plain("newer")(number).replace("pack: 1", f"pack: {number + 2}", 1)

    return {
        "tampered": Kind({Fault.SIGNATURE}, plain("tampered")),
        "unsigned": Kind({Fault.UNSIGNED}, plain("unsigned"), signed=False),
        "nan": Kind({Fault.FILE}, not_a_number),
        "huge": Kind({Fault.FILE}, huge),
        "million": Kind({Fault.FILE}, write=million),
        "bomb": Kind({Fault.FILE}, bomb),
        "newer": Kind({Fault.FILE}, newer),
        "duplicate": Kind({Fault.DUPLICATE}, duplicate),
        "contra": Kind({Fault.CONTRADICTION}, contradicts),
        "mix": Kind({Fault.SUPPORT, Fault.BACKGROUND}, nothing_in_common),
        "usual": Kind({Fault.BACKGROUND, Fault.SUPPORT}, background),
        "lately": Kind({Fault.RECENT, Fault.SUPPORT}, recent),
    }


@dataclass(frozen=True)
class World:
    """The folder, and what it is held against."""

    model: Model
    office: Network
    folder: Path
    trust: Trust
    background: npt.NDArray[np.float32]
    recent: npt.NDArray[np.float32]

    def build(self, found: Folder) -> RuleSet:
        return RuleSet.build(
            self.model,
            found.packs,
            RATE,
            self.background,
            recent=self.recent,
            quarantined=found.quarantined,
        )

    def hits(self, rules: RuleSet) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
        """Id of each pack in force, and the scores of all flows by it, less its threshold."""
        scores, _ = self.model.score(self.office.features, rules.heads)
        for at, pack in enumerate(rules.packs):
            yield pack.id, scores[:, at] - rules.thresholds[at]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    base = tmp_path_factory.mktemp("hostile")
    folder, keys = base / "packs", base / "keys"
    folder.mkdir()
    keys.mkdir()
    make_keys(keys / "us")
    key = read_private(keys / "us.key")
    trust, errors = Trust.load(Unsigned.REFUSE, keys)
    assert not errors
    for path in shipped_packs().glob("*.yaml"):
        content = path.read_bytes()
        (folder / path.name).write_bytes(content)
        signature_path(folder / path.name).write_text(sign(content, key))
    office = read_network("office.mtrec", "office.labels.csv")
    clinic = read_network("clinic-logs", "clinic.labels.csv")
    model = Model(shipped_model())
    usual = model.embed(clinic.features[clinic.benign][::4])
    background = np.concatenate([model.meta.background.embedding, usual])
    recent = model.embed(office.features[office.benign])
    return World(model, office, folder, trust, background, recent)


@pytest.mark.untraced
def test_hostile_packs_change_nothing_for_the_others(world: World) -> None:
    """Of 120 hostile packs of 12 kinds each is quarantined for what it is.

    The starter packs beside them flag the same flows with the same scores.
    """
    clinic = read_network("clinic-logs", "clinic.labels.csv")
    starters, _ = load_folder(shipped_packs())
    alone = world.build(read_folder(world.folder, world.trust))
    before = dict(world.hits(alone))
    assert len(before) == len(starters)
    assert sum(int((over >= 0).sum()) for over in before.values()) > 500
    key = read_private(world.folder.parent / "keys" / "us.key")
    made = kinds(starters, world.office, clinic)
    for name, kind in made.items():
        for number in range(EACH):
            path = world.folder / f"{name}-{number}.yaml"
            if kind.text is None:
                assert kind.write is not None
                kind.write(number, path)
                continue
            content = kind.text(number).encode()
            path.write_bytes(content)
            if kind.signed:
                signature_path(path).write_text(sign(content, key))
            if name == "tampered":
                path.write_bytes(content.replace(b"severity: high", b"severity: low "))
    found = read_folder(world.folder, world.trust, in_force=[p.sha256 for p in alone.packs])
    rules = world.build(found)
    assert len(rules.states) == len(starters) + EACH * len(made)
    for status in rules.states:
        if status.path.stem in before:
            assert status.state is PackState.ACTIVE
            assert status.signed_by == "us"
            continue
        assert status.state is PackState.QUARANTINED
        assert status.fault in made[status.path.stem.rpartition("-")[0]].faults, status
        assert status.reason
        assert len(status.reason) < 2000
    for fault in (Fault.RECENT, Fault.BACKGROUND):
        assert sum(status.fault is fault for status in rules.states) > EACH / 2
    after = dict(world.hits(rules))
    assert after.keys() == before.keys()
    for name, over in after.items():
        np.testing.assert_allclose(over, before[name], rtol=0, atol=1e-5)
        np.testing.assert_array_equal(over >= 0, before[name] >= 0)


def test_another_pack_in_force_does_not_move_the_scores(world: World) -> None:
    """Columns shift and the graph's shapes change; scores of the others stay within 1e-5."""
    starters, _ = load_folder(shipped_packs())
    before = dict(world.hits(RuleSet.build(world.model, starters, RATE)))
    beacons = world.office.of("http_beacon")[:5]
    more = [world.office.pack(f"a{at}", beacons, starters[0]) for at in range(9)]
    rules = RuleSet.build(world.model, [*more, *starters], RATE)
    assert rules.heads.shape[1] == 16
    after = dict(world.hits(rules))
    for name, over in before.items():
        np.testing.assert_allclose(after[name], over, rtol=0, atol=1e-5)
        np.testing.assert_array_equal(after[name] >= 0, over >= 0)
