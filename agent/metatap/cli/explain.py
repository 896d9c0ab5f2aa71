"""`metatap explain`: why an alert was raised."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from metatap.alerts.report import Report, report_of
from metatap.cli.console import console
from metatap.cli.options import agent_config, alert_file_option, config_option, state_option
from metatap.errors import StateError
from metatap.offline.past import find_alert
from metatap.offline.printable import printable
from metatap.runtime.logs import configure_logs
from metatap.state.stored import Judgement

MAX_CELL = 120
"""Characters of a value in the table, at most; `--json` has all of it."""

_ABSENT = "—"


@click.command("explain")
@click.argument("alert")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
@state_option
@alert_file_option
@config_option
def command(
    *,
    alert: str,
    as_json: bool,
    state: Path | None,
    alert_file: Path | None,
    config_path: Path | None,
) -> None:
    """Say why ALERT, an alert's id or its first digits, was raised.

    One sentence: what, who, how unusual, which example it is most like, what to check. Under it
    both flows side by side, what moved the score, and ways to the flow's lines in Zeek's logs.
    """
    configure_logs("warning", "text")
    folder = None if alert_file else agent_config(config_path, state=state).state
    stored = find_alert(alert, folder, alert_file)
    try:
        report = report_of(stored.document)
    except ValueError as error:
        raise StateError(f"alert {stored.id}: {error}") from None
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(_object(report, stored.judgement))))
    else:
        show(report, stored.judgement, console())


def show(report: Report, judgement: Judgement | None, out: Console) -> None:
    """Print a report."""
    _line(out, report.sentence)
    _line(out, "")
    _line(out, f"alert {report.id} of pack {report.pack}, {report.time}")
    _line(
        out,
        f"score {report.score:.2f}, {report.over:.2f} over the threshold {report.threshold:.2f} "
        f"({report.threshold_source})" + (f"; {report.unusual}" if report.unusual else ""),
    )
    if judgement is not None:
        day = datetime.fromtimestamp(judgement.at // 1_000_000_000, UTC).date().isoformat()
        note = f": {judgement.note}" if judgement.note else ""
        _line(out, f"judged {judgement.verdict} on {day}{note}")
    for table in (_reasons(report), _values(report)):
        if table is not None:
            _line(out, "")
            out.print(table)
    _line(out, "\nTo check")
    for hint in report.check:
        _line(out, f"- {hint}")
    if report.pivots:
        _line(out, "\nIn the logs")
        for name, text in report.pivots.items():
            _line(out, f"- {name}: {text}")


def _line(out: Console, text: str) -> None:
    text = "\n".join(printable(line) for line in text.split("\n"))
    out.print(text, soft_wrap=True)


def _reasons(report: Report) -> Table | None:
    if not report.reasons:
        return None
    table = _table("What moved the score", "feature", "this flow", "typical", "score")
    for reason in report.reasons:
        moved = reason.get("moved")
        table.add_row(
            *(
                Text(printable(text))
                for text in (
                    str(reason.get("words", "")),
                    _number(reason, "value"),
                    _number(reason, "typical"),
                    f"+{moved:.2f}" if isinstance(moved, int | float) else "",
                )
            )
        )
    return table


def _values(report: Report) -> Table | None:
    if not report.values:
        return None
    example = f"example {report.example}" if report.example else "no example"
    table = _table("Side by side", "field", "this flow", printable(example))
    for pair in report.values:
        table.add_row(pair.field, Text(_cell(pair.flow)), Text(_cell(pair.example)))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    return table


def _number(reason: Mapping[str, Any], name: str) -> str:
    value = reason.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _ABSENT
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _cell(value: Any) -> str:
    if value is None:
        return _ABSENT
    if isinstance(value, bool):
        return "true" if value else "false"
    text = printable(str(value))
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"


def _object(report: Report, judgement: Judgement | None) -> dict[str, Any]:
    """The report as a JSON object; what is absent has no key."""
    found = dataclasses.asdict(report) | {"over": report.over}
    if judgement is not None:
        found["judged"] = dataclasses.asdict(judgement)
    return {name: value for name, value in found.items() if value not in (None, "", (), {})}
