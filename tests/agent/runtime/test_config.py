"""metatap.runtime.config, .options, .entries and .reference."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metatap.errors import ConfigError
from metatap.runtime.config import load_config
from metatap.runtime.options import OPTIONS
from metatap.runtime.reference import config_page, default_yaml
from metatap.runtime.settings import SinkConfig, SourceConfig
from metatap.runtime.sink_options import COMMON, SINK_OPTIONS

ROOT = Path(__file__).parents[3]

TEXT = """\
sensor: tap-1
sources:
  - url: zeek+tcp://127.0.0.1:5556?bind=1
    options: {shards: [0, 1], rcvhwm: 5000, silent_s: 10}
  - url: lab.mtrec
model: models/own.onnx
packs: packs
detector:
  threads: 2
  batch_rows: 1024
  false_positive_rate: 1e-5
alerts: {window: 60, max_open: 100, max_uids: 4}
sinks:
  - type: file
    path: alerts.jsonl
    fsync: true
  - type: stdout
log: {level: debug, format: json}
status_interval: 0
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A configuration file that sets everything."""
    file = tmp_path / "metatap.yaml"
    file.write_text(TEXT)
    return file


def _faults(path: Path, text: str, **rest: Any) -> list[str]:
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, **rest)
    return [fault.replace(str(path), "m.yaml") for fault in caught.value.faults]


def file_of(sink: SinkConfig) -> tuple[Path, bool]:
    return sink.values["path"], sink.values["fsync"]


def test_a_file_sets_everything(path: Path) -> None:
    """Each option arrives in its place and type; paths are relative to the file."""
    config = load_config(path)
    assert config.sensor == "tap-1"
    assert config.sources == (
        SourceConfig(
            "zeek+tcp://127.0.0.1:5556?bind=1",
            {"shards": (0, 1), "rcvhwm": 5000, "silent_s": 10.0},
            f"{path}:3",
        ),
        SourceConfig(str(path.parent / "lab.mtrec"), {}, f"{path}:5"),
    )
    assert config.model == path.parent / "models/own.onnx"
    assert config.packs == path.parent / "packs"
    assert config.detector.threads == 2
    assert config.detector.false_positive_rate == 1e-5
    assert (config.alerts.window, config.alerts.max_open, config.alerts.max_uids) == (60.0, 100, 4)
    assert [sink.type for sink in config.sinks] == ["file", "stdout"]
    assert file_of(config.sinks[0]) == (path.parent / "alerts.jsonl", True)
    assert (config.log.level, config.log.format) == ("debug", "json")
    assert config.status_interval == 0.0


def test_everything_has_a_default() -> None:
    """Without a file, the environment or flags there is a whole configuration."""
    config = load_config()
    assert config.model is None
    assert config.packs is None
    assert config.sources[0].url == "zeek+tcp://127.0.0.1:5555"
    assert [sink.type for sink in config.sinks] == ["stdout"]
    assert config.sensor


@pytest.mark.parametrize("text", ["", "# only\n\n  # comments\n", "detector:\nlog:\n"])
def test_a_file_that_sets_nothing_gives_the_defaults(path: Path, text: str) -> None:
    """An empty file, comments only, and empty sections are fine."""
    path.write_text(text)
    assert load_config(path) == load_config()


def test_environment_goes_before_the_file_and_flags_before_both(path: Path) -> None:
    """file < environment < flags, option by option."""
    env = {
        "METATAP_SENSOR": "from-env",
        "METATAP_ALERTS__WINDOW": "120",
        "METATAP_LOG__LEVEL": "warning",
        "HOME": "/root",
    }
    config = load_config(path, env, {"log.level": "error", "model": "flag.onnx"})
    assert config.sensor == "from-env"
    assert config.alerts.window == 120.0
    assert config.alerts.max_open == 100
    assert config.log.level == "error"
    assert config.model == Path("flag.onnx")


def test_lists_come_from_environment_and_flags_too() -> None:
    """A variable's list is YAML, a flag's is a list."""
    env = {"METATAP_SINKS": "[{type: file, path: a.jsonl}]"}
    flags = {"sources": [{"url": "lab.mtrec", "options": {"shards": [3]}}]}
    config = load_config(None, env, flags)
    assert [file_of(sink) for sink in config.sinks] == [(Path("a.jsonl"), False)]
    assert config.sources == (SourceConfig("lab.mtrec", {"shards": (3,)}, "flag sources"),)


def test_an_empty_path_is_the_shipped_file(path: Path) -> None:
    """A variable can undo what the file sets."""
    assert load_config(path, {"METATAP_MODEL": ""}).model is None


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("sensor: tap-1", "sensr: tap-1", "m.yaml:1: sensr: unknown option, did you mean sensor?"),
        ("sensor: tap-1", "sensor:", "m.yaml:1: sensor: must not be empty"),
        ("sensor: tap-1", "sensor: [a]", "m.yaml:1: sensor: must be text, is a list"),
        (
            "sensor: tap-1",
            'sensor: "a\\tb"',
            "m.yaml:1: sensor: 'a\\tb': has characters that can't",
        ),
        (
            "sensor: tap-1",
            f"sensor: {'x' * 1025}",
            "m.yaml:1: sensor: 1025 characters, at most 1024",
        ),
        ("threads: 2", "thread: 2", "m.yaml:9: detector.thread: unknown option, did you mean det"),
        (
            "threads: 2",
            "threads: two",
            "m.yaml:9: detector.threads: must be a whole number of thre",
        ),
        ("threads: 2", "threads: 65", "m.yaml:9: detector.threads: 65: must be from 1 to 64"),
        (
            "threads: 2",
            "threads: true",
            "m.yaml:9: detector.threads: must be a whole number of thr",
        ),
        ("threads: 2", "threads:", "m.yaml:9: detector.threads: is empty"),
        ("1e-5", "1", "m.yaml:11: detector.false_positive_rate: 1: must be from 1e-07 to 0.1"),
        ("1e-5", "x", "m.yaml:11: detector.false_positive_rate: must be a number, is text (x)"),
        ("{level: debug, format: json}", "debug", "m.yaml:18: log: must be a mapping, is text"),
        ("level: debug", "level: debg", "m.yaml:18: log.level: debg: must be one of debug, info, "),
        (
            "type: file",
            "type: flie",
            "sinks[0].type: flie: must be one of file, stdout, zeek",
        ),
        ("type: file", "tpye: file", "m.yaml:14: sinks[0].type: missing, one of file, stdout"),
        (
            "path: alerts.jsonl",
            "pth: a",
            "m.yaml:15: sinks[0].pth: unknown key, did you mean path?",
        ),
        ("path: alerts.jsonl", "fsync: no", "m.yaml:14: sinks[0].path: missing"),
        ("fsync: true", "fsync: yes", "m.yaml:16: sinks[0].fsync: must be true or false, is text"),
        ("- type: stdout", "- stdout", "m.yaml:17: sinks[1]: must be a mapping, is text"),
        ("- type: stdout", "- {type: file, path: alerts.jsonl}", "alerts.jsonl is listed twice"),
        ("- type: file", "- type: stdout\n  - type: file", "standard output is listed twice"),
        ("- url: lab", "- ulr: lab", "m.yaml:5: sources[1].ulr: unknown key, did you mean url?"),
        ("rcvhwm", "rcvhmw", "m.yaml:4: sources[0].options.rcvhmw: unknown key, did you mean rcvh"),
        ("rcvhwm: 5000", "rcvhwm: -1", "m.yaml:4: sources[0].options.rcvhwm: -1: must be from 0 t"),
        ("rcvhwm: 5000", "rcvhwm: 1.5", "sources[0].options.rcvhwm: 1.5: must be a whole number"),
        ("rcvhwm: 5000", "rcvhwm: x", "sources[0].options.rcvhwm: must be a number, is text"),
        ("[0, 1]", "0", "m.yaml:4: sources[0].options.shards: must be a list, is a whole number"),
        ("[0, 1]", "[1000]", "m.yaml:4: sources[0].options.shards: (1000,): a shard is 0 to 999"),
        (
            "{shards: [0, 1], rcvhwm: 5000, silent_s: 10}",
            "[]",
            "options: must be a mapping, is a l",
        ),
        ("packs: packs", "packs: packs\npacks: x", "m.yaml:8: packs: given twice, first in line 7"),
    ],
)
def test_a_fault_names_file_and_line(path: Path, old: str, new: str, fault: str) -> None:
    """Each fault says where it is and what would be right."""
    text = TEXT.replace(old, new, 1)
    assert text != TEXT
    faults = _faults(path, text)
    assert any(fault in found for found in faults), faults


@pytest.mark.parametrize("name", ["sources", "sinks"])
@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("[]", ": 0 entries, must be 1 to 64"),
        ("1", ": must be a list, is a whole number"),
        ("", ": is empty"),
        (f"[{'{},' * 65}]", ": 65 entries, must be 1 to 64"),
    ],
)
def test_a_list_has_entries(path: Path, name: str, value: str, fault: str) -> None:
    """An agent without sources or sinks would do nothing."""
    assert _faults(path, f"{name}: {value}\n") == [f"m.yaml:1: {name}{fault}"]


def test_all_faults_are_told_at_once(path: Path) -> None:
    """File, variables and flags together."""
    faults = _faults(
        path,
        "sensr: x\nlog: {level: x}\n",
        env={"METATAP_ALERTS__WINDOW": "soon", "METATAP_ALERT__WINDOW": "1"},
        flags={"detector.threads": 0, "nothing": 1},
    )
    assert faults == [
        "m.yaml:1: sensr: unknown option, did you mean sensor?",
        "m.yaml:2: log.level: x: must be one of debug, info, warning, error",
        "METATAP_ALERTS__WINDOW: alerts.window: must be a number of seconds, is text (soon)",
        "METATAP_ALERT__WINDOW: sets no option, did you mean METATAP_ALERTS__WINDOW?",
        "flag detector.threads: detector.threads: 0: must be from 1 to 64",
        "flag nothing: nothing: unknown option",
    ]


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("[{type: file", "did not find expected ',' or '}'"),
        ("", "empty"),
        ("\udcff", "not UTF-8"),
    ],
)
def test_a_variable_that_is_no_yaml_is_named(value: str, fault: str) -> None:
    """The variable's name stands where a file's name and line would."""
    with pytest.raises(ConfigError) as caught:
        load_config(None, {"METATAP_SINKS": value})
    assert caught.value.faults == (f"METATAP_SINKS: {fault}",)


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    """Not there, a folder, no mapping, no YAML."""
    for path in (tmp_path / "none.yaml", tmp_path, Path("a\0b")):
        with pytest.raises(ConfigError, match="can't be read"):
            load_config(path)
    path = tmp_path / "m.yaml"
    assert _faults(path, "[1]") == ["m.yaml:1: must be a mapping of options, is a list"]
    assert _faults(path, "a: &x 1") == ["m.yaml:1: anchors and aliases are not allowed"]


@pytest.mark.parametrize("text", ["a: {", "\x00", "log: {level: {a: {b: {c: {d: {e: {f: 1}}}}}}}"])
def test_odd_files_are_config_errors(path: Path, text: str) -> None:
    """What YAML refuses is refused with the file's name."""
    assert all(fault.startswith("m.yaml") for fault in _faults(path, text))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_mutated_files_are_configs_or_config_errors(seed: int, edits: int) -> None:
    """Bytes of a valid file deleted, doubled or changed: a configuration or a `ConfigError`."""
    rng = random.Random(seed)
    content = bytearray(TEXT.encode())
    for _ in range(edits):
        at, size = rng.randrange(len(content)), rng.randrange(1, 30)
        match rng.randrange(3):
            case 0:
                del content[at : at + size]
            case 1:
                content[at:at] = content[at : at + size]
            case _:
                content[at : at + 1] = rng.randbytes(1)
        content = content or bytearray(b" ")
    _load_bytes(bytes(content))


@settings(deadline=None)
@given(st.text("{}[]:,-#&*!|>'\"%@` \n\tsensorlg01.~", max_size=200) | st.text(max_size=200))
def test_fuzzed_files_are_configs_or_config_errors(text: str) -> None:
    """Whatever a file contains, nothing but `ConfigError` is raised."""
    _load_bytes(text.encode("utf-8", "replace"))


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from([o.variable for o in OPTIONS]), st.text(max_size=60)),
    st.dictionaries(
        st.sampled_from([o.name for o in OPTIONS]) | st.text(max_size=10),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=6), inner, max_size=3)
            ),
            max_leaves=8,
        ),
    ),
)
def test_fuzzed_variables_and_flags_are_config_errors(
    env: dict[str, str], flags: dict[str, Any]
) -> None:
    """Whatever comes from outside the file, nothing but `ConfigError` is raised."""
    try:
        load_config(None, env, flags)
    except ConfigError as error:
        assert error.faults  # noqa: PT017 - most inputs raise, some need not


def _load_bytes(content: bytes) -> None:
    class Memory(type(Path())):  # type: ignore[misc]
        """A path whose file is in memory."""

        def open(self, *_args: Any, **_options: Any) -> Any:
            import io  # noqa: PLC0415

            return io.BytesIO(content)

    try:
        load_config(Memory("m.yaml"))
    except ConfigError as error:
        assert error.faults  # noqa: PT017 - most inputs raise, some need not


def test_the_default_file_is_in_step_with_the_code() -> None:
    """packaging/metatap.yaml is what the table of options gives, and sets nothing."""
    path = ROOT / "packaging" / "metatap.yaml"
    assert path.read_text() == default_yaml()
    assert load_config(path) == load_config()


def test_the_default_file_says_the_defaults(tmp_path: Path) -> None:
    """With the comment signs taken away it is the default configuration."""
    lines = [
        line.replace("#", "", 1)
        if line.lstrip().startswith("#") and line.lstrip()[1:2] != " "
        else line
        for line in default_yaml().splitlines()
    ]
    text = "\n".join(line.replace("my-host", load_config().sensor) for line in lines)
    path = tmp_path / "m.yaml"
    path.write_text(text.replace("#  -", "  -"))
    config, default = load_config(path), load_config()
    assert [source.url for source in config.sources] == [s.url for s in default.sources]
    assert (config.detector, config.alerts, config.log) == (
        default.detector,
        default.alerts,
        default.log,
    )
    assert config.sinks == default.sinks
    assert config.status_interval == default.status_interval


def test_the_page_is_in_step_with_the_code() -> None:
    """docs/config.md lists every option with its default."""
    page = (ROOT / "docs" / "config.md").read_text()
    assert page == config_page()
    own = (option for options in SINK_OPTIONS.values() for option in options)
    for option in (*OPTIONS, *COMMON, *own):
        assert f"`{option.name}`" in page
        assert option.why.endswith(".")
