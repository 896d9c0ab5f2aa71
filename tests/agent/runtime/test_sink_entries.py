"""metatap.runtime.sink_entries: what a sink can be told, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from metatap.errors import ConfigError
from metatap.runtime.config import load_config
from metatap.runtime.sink_options import SINK_OPTIONS


def load(folder: Path, sinks: str) -> dict[str, object]:
    path = folder / "m.yaml"
    path.write_text(f"sinks:\n  - {sinks}\n")
    return dict(load_config(path).sinks[0].values)


def test_defaults_and_paths(tmp_path: Path) -> None:
    """What is not set has its default; paths are relative to the file, None where empty."""
    values = load(tmp_path, "{type: syslog, host: siem, transport: tls, ca_file: ca.pem}")
    assert values["ca_file"] == tmp_path / "ca.pem"
    assert values["certificate"] is None
    assert (values["port"], values["framing"], values["format"]) == (0, "octet_counting", "ecs")
    assert values["packs"] == ()
    assert values["severities"] == {}


def test_what_an_alert_is_for(tmp_path: Path) -> None:
    """Filter and severities arrive in their types."""
    text = "{type: stdout, format: cef, severities: {high: 9}, packs: [a, b], min_severity: high}"
    values = load(tmp_path, text)
    assert values["severities"] == {"high": 9}
    assert values["packs"] == ("a", "b")
    assert values["min_severity"] == "high"


@pytest.mark.parametrize("kind", SINK_OPTIONS)
def test_an_unknown_option_is_named(tmp_path: Path, kind: str) -> None:
    """With the nearest one that there is."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"{{type: {kind}, formt: cef}}")
    assert any(
        "sinks[0].formt: unknown key, did you mean format?" in f for f in caught.value.faults
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{type: syslog}", "sinks[0].host: missing"),
        (
            "{type: stdout, format: leef}",
            "format: leef: must be one of ecs, ocsf, cef",
        ),
        ("{type: stdout, severities: {hgh: 9}}", "severities: hgh: must be one of low, medium"),
        ("{type: stdout, format: cef, severities: {high: 99}}", "severities: high: 99 is not"),
        ("{type: stdout, packs: x}", "packs: must be a list, is text"),
        ("{type: syslog, host: a, port: 70000}", "port: 70000: must be from 0 to 65,535"),
        (
            "{type: syslog, host: a, transport: tls, framing: newline}",
            "framing: syslog over TLS counts octets",
        ),
        ("{type: elasticsearch, url: 'https://a', format: cef}", "format: cef is not JSON"),
        ("{type: elasticsearch, url: 'https://a', user: b}", "user: a user and a password belong"),
        (
            "{type: elasticsearch, url: 'https://a', api_key_file: a, api_key_variable: B}",
            "api_key_variable: there is a secret in api_key_file too",
        ),
        ("{type: splunk, url: 'https://a'}", "token_file: missing, or token_variable"),
        ("{type: stdout, name: a}\n  - {type: file, path: b, name: a}", "sinks: two are named a"),
    ],
)
def test_faults(tmp_path: Path, text: str, fault: str) -> None:
    """Each names the sink and the option."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert any(fault in found for found in caught.value.faults), caught.value.faults
    assert all(found.startswith(str(tmp_path / "m.yaml")) for found in caught.value.faults)
