"""metatap.alerts.report and what `explain` prints of it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console
from tests.agent.alerts.page import example_alert

from metatap.alerts import encode_ecs
from metatap.alerts.report import report_of
from metatap.cli.console import WIDTH
from metatap.cli.explain import show
from metatap.state.stored import Judgement, Verdict

GOLDEN = Path(__file__).parent / "golden"


def event() -> dict[str, Any]:
    """The event of docs/alerts.md, read back."""
    return msgspec.json.decode(encode_ecs(example_alert()), type=dict[str, Any])


def shown(document: dict[str, Any], judgement: Judgement | None = None) -> str:
    """What is printed of an event, without the spaces at the ends of lines."""
    out = io.StringIO()
    show(
        report_of(document),
        judgement,
        Console(file=out, width=WIDTH, highlight=False, markup=False, emoji=False),
    )
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _bare() -> dict[str, Any]:
    """An event of an older agent that was not explained, of a flow without uid."""
    document = event()
    own = document["metatap"]
    for name in ("nearest", "reasons", "unusual", "pivot", "over"):
        own.pop(name)
    for name in ("uid", "service"):
        own["flow"].pop(name)
    document.pop("threat")
    document.pop("zeek")
    return document


CASES = {
    "whole": (event, None),
    "judged": (event, Judgement(Verdict.FALSE, 1_700_000_000 * 10**9, "a scanner of ours")),
    "bare": (_bare, None),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_printed(name: str) -> None:
    """To the letter; tests/agent/alerts/golden holds the texts."""
    make, judgement = CASES[name]
    assert shown(make(), judgement) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_the_page_shows_what_is_printed() -> None:
    """The example of docs/explain.md is the whole golden text."""
    page = Path(__file__).parents[3] / "docs" / "explain.md"
    assert (GOLDEN / "whole.txt").read_text(encoding="utf-8") in page.read_text(encoding="utf-8")


def test_both_flows_stand_side_by_side() -> None:
    """In the order of the schema, fields that only one of them has included."""
    values = {pair.field: (pair.flow, pair.example) for pair in report_of(event()).values}
    assert values["ssh.auth_attempts"] == (4, 6)
    assert values["duration"] == (2.5, 2.1)
    assert values["ssh.client"] == (None, "SSH-2.0-libssh_0.9")
    assert values["conn_state"] == ("SF", None)
    assert [*values][:2] == ["ts", "uid"]
    assert "partial" not in values


def test_nothing_is_read_out_of_hostile_text() -> None:
    """Markup and control characters from a file of alerts are shown, not obeyed."""
    document = event()
    document["rule"]["name"] = "\x1b[31mred[bold]"
    document["metatap"]["flow"]["ssh.client"] = "[red]\x07:smile:"
    text = shown(document)
    assert "\x1b" not in text
    assert "\\x1b[31mred[bold]" in text
    assert "[red]\\x07:smile:" in text


@pytest.mark.parametrize("value", [None, "2", True, {}])
def test_what_is_no_alert_is_refused(value: Any) -> None:
    """The field is named."""
    document = event()
    document["metatap"]["score"] = value
    with pytest.raises(ValueError, match=r"metatap\.score"):
        report_of(document)
