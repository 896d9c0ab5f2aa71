"""What `metatap status` prints of documents that lack something."""

from __future__ import annotations

import pytest

from metatap.cli.status import _adaptation


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (None, []),
        ({"fault": "ValueError()"}, ["adaptation: ended: ValueError()"]),
        ({"fault": ""}, ["adaptation: ended: by a fault, see the log"]),
    ],
)
def test_adaptation_that_ended_is_told(known: dict[str, str] | None, said: list[str]) -> None:
    """Also where it failed while it was asked for what it knows: the document has no figures."""
    assert [*_adaptation(known)] == said
