"""Lines of all cases in all formats: `python -m tests.agent.formats.golden` writes them anew."""

from __future__ import annotations

from pathlib import Path

from tests.agent.formats.cases import DOCUMENTS

from metatap.formats import FORMATS

FOLDER = Path(__file__).parent / "golden"


def path(case: str, name: str) -> Path:
    """Where the line of a case stands; it ends in a line feed there."""
    return FOLDER / (f"{case}.{name}.json" if FORMATS[name].is_json else f"{case}.{name}")


def lines() -> dict[Path, bytes]:
    """Path → what is to stand there."""
    return {
        path(case, name): format_.encode(document) + b"\n"
        for case, document in DOCUMENTS.items()
        for name, format_ in FORMATS.items()
    }


def main() -> None:
    """Write them, and remove what no case gives any more."""
    wanted = lines()
    FOLDER.mkdir(exist_ok=True)
    for old in set(FOLDER.iterdir()) - set(wanted):
        old.unlink()
    for place, line in wanted.items():
        place.write_bytes(line)


if __name__ == "__main__":
    main()
