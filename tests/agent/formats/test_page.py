"""docs/formats.md: its tables name what is written, and it is current."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.agent.formats.cases import DOCUMENTS
from tests.agent.formats.page import render
from tests.agent.formats.page_tables import EVE, NOTICE, OCSF, Row, names

from metatap.formats import FORMATS

PAGE = Path(__file__).parents[3] / "docs/formats.md"

WHOLE = {
    "ocsf": ("unmapped", "finding_info.attacks[]"),
    "eve": ("metatap",),
    "notice": (),
}
"""What is named as a whole."""


def _names(value: Any, at: str, whole: tuple[str, ...]) -> Iterator[str]:
    name = at.replace("evidences[]", "evidences[0]")
    if at in whole:
        yield name
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _names(item, f"{at}.{key}" if at else key, whole)
    elif isinstance(value, list) and at not in ("actions", "email_dest"):
        for item in value:
            yield from _names(item, f"{at}[]", whole)
    else:
        yield name


@pytest.mark.parametrize(("name", "rows"), [("ocsf", OCSF), ("eve", EVE), ("notice", NOTICE)])
def test_the_tables_name_every_field(name: str, rows: tuple[Row, ...]) -> None:
    """All that the cases have, and nothing that none of them has."""
    found: set[str] = set()
    for document in DOCUMENTS.values():
        event = msgspec.json.decode(FORMATS[name].encode(document))
        whole = WHOLE[name]
        found |= set(_names(event, "", whole))
        if name == "eve":
            own = ("event_id", "message", "uid", "direction")
            found |= {f"metatap.{field}" for field in own if field in event["metatap"]}
    assert found == names(rows)


def test_the_page_is_current() -> None:
    """`make docs` brings it up to date."""
    assert PAGE.read_text(encoding="utf-8") == render()
