"""Which sources there are, where they lie and what their terms allow."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from metatap.errors import MetatapError

ENVIRONMENT = "METATAP_FLOWS"
"""Names the folder of labelled flows where no option does."""

_BESIDE = Path(__file__).resolve().parents[3].parent / "shared" / "flows"


class DataError(MetatapError):
    """Labelled flows are missing or malformed; names the file."""


class Terms(StrEnum):
    """What a source's licence allows a shipped model to do with it."""

    YES = "yes"
    """Openly licensed: may train weights, and its embeddings may be shipped."""

    WEIGHTS = "weights"
    """Public without a stated licence: may train weights only."""

    NO = "no"
    """Academic or non-commercial terms: evaluation only."""


@dataclass(frozen=True, slots=True)
class Source:
    """One line of `sources.tsv`."""

    name: str
    licence: str
    terms: Terms
    note: str


def find_flows(option: Path | None = None) -> Path:
    """The folder of labelled flows: the option, else METATAP_FLOWS, else beside the repository.

    Raises:
        DataError: there is no `sources.tsv` in it.
    """
    named = os.environ.get(ENVIRONMENT)
    folder = option or (Path(named) if named else _BESIDE)
    if not (folder / "sources.tsv").is_file():
        raise DataError(f"{folder}: no sources.tsv; name the flows by --flows or {ENVIRONMENT}")
    return folder


def read_sources(folder: Path) -> list[Source]:
    """The sources of a folder, by name.

    Raises:
        DataError: a line's terms are not known.
    """
    path = folder / "sources.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    try:
        return sorted(
            (
                Source(row["source"], row["licence"], Terms(row["publishable"]), row["note"] or "")
                for row in lines
            ),
            key=lambda source: source.name,
        )
    except (KeyError, ValueError) as error:
        raise DataError(f"{path}: {error}") from None
