"""Parts of the configuration in `conf.d`, as packages and administrators leave them."""

from __future__ import annotations

from pathlib import Path

import pytest

from metatap.errors import ConfigError
from metatap.runtime.config import MAX_PARTS, load_config

MAIN = """\
sensor: tap-1
packs: packs
sinks:
  - type: file
    path: a.jsonl
  - type: stdout
detector:
  threads: 2
  batch_rows: 512
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with an empty `conf.d` beside it."""
    file = tmp_path / "metatap.yaml"
    file.write_text(MAIN, encoding="utf-8")
    (tmp_path / "conf.d").mkdir()
    return file


def part(path: Path, name: str, text: str) -> Path:
    made = path.parent / "conf.d" / name
    made.write_text(text, encoding="utf-8")
    return made


def test_later_parts_hold(path: Path) -> None:
    """Options are merged one by one, sections too; a list replaces the whole list."""
    part(path, "20-b.yaml", "detector: {threads: 4}\nsensor: tap-3\n")
    part(path, "10-a.yaml", "sensor: tap-2\nsinks: [{type: file, path: b.jsonl}]\n")
    part(path, "30-only-comments.yaml", "# nothing yet\n")
    config = load_config(path)
    assert config.sensor == "tap-3"
    assert (config.detector.threads, config.detector.batch_rows) == (4, 512)
    assert [sink.values["path"] for sink in config.sinks] == [path.parent / "b.jsonl"]
    assert config.packs == path.parent / "packs"


def test_environment_and_flags_go_before_parts(path: Path) -> None:
    """Parts are of the file, and the file comes last."""
    part(path, "a.yaml", "sensor: part\ndetector: {threads: 4}\n")
    config = load_config(None, {"METATAP_CONFIG": str(path), "METATAP_SENSOR": "variable"})
    assert (config.sensor, config.detector.threads) == ("variable", 4)
    assert load_config(path, {}, {"sensor": "flag"}).sensor == "flag"


def test_faults_name_the_part_and_the_line(path: Path) -> None:
    """A fault is told of the file it stands in; one that a later part mends is none."""
    first = part(path, "10.yaml", "\nsensr: x\ndetector:\n  threads: none\n  batch_rows: 0\n")
    part(path, "20.yaml", "detector: {threads: 1}\n")
    broken = part(path, "30.yaml", "a: [\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    faults = caught.value.faults
    assert f"{first}:2: sensr: unknown option, did you mean sensor?" in faults
    assert any(fault.startswith(f"{first}:5: detector.batch_rows: ") for fault in faults)
    assert any(fault.startswith(f"{broken}:") for fault in faults)
    assert len(faults) == 3


def test_what_is_no_part(path: Path) -> None:
    """Only visible `*.yaml` of the folder count."""
    for name in (".10.yaml", "10.yaml~", "10.yaml.dpkg-dist", "README"):
        part(path, name, "nonsense: [")
    assert [sink.type for sink in load_config(path).sinks] == ["file", "stdout"]
    (path.parent / "conf.d" / "x.yaml").symlink_to("nowhere")
    with pytest.raises(ConfigError, match=r"x\.yaml: can't be read: No such file"):
        load_config(path)


def test_parts_are_bounded(path: Path) -> None:
    """Too many parts are a fault, not a sensor that forgets the last ones."""
    for at in range(MAX_PARTS):
        part(path, f"{at:03d}.yaml", f"sensor: tap-{at}\n")
    assert load_config(path).sensor == f"tap-{MAX_PARTS - 1}"
    part(path, "999.yaml", "sensor: last\n")
    with pytest.raises(ConfigError, match=r"999\.yaml: not read: 101 parts"):
        load_config(path)
