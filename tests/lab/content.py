"""What web servers serve: pages with objects, files, a status document; all from one seed."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

from tests.lab.spec import WebStyle

_PROSE = (
    "account archive branch cable change claim client copy crate depot design draft engine "
    "freight garden harbour index invoice journey kettle ledger market meeting motor notice "
    "order paper pattern plan pump quote record report river sample schedule ship signal stock "
    "table ticket timber tool train valve vendor visit window yard"
)
_WORDS = tuple(_PROSE.split())
_SUFFIXES = ("css", "js", "png", "jpg", "svg", "woff2")


@dataclass(frozen=True, slots=True)
class Site:
    """Paths that exist on a web server: page → its objects, and files to download."""

    pages: dict[str, tuple[str, ...]]
    files: tuple[str, ...]


def prose(rng: random.Random, size: int) -> str:
    """About ``size`` bytes of text made of common words."""
    words: list[str] = []
    length = 0
    while length < size:
        word = rng.choice(_WORDS)
        words.append(word)
        length += len(word) + 1
    return " ".join(words)


def _status(rng: random.Random, size: int) -> str:
    """A monitoring system's answer: one record for each of many services."""
    services: list[dict[str, object]] = []
    while len(json.dumps(services)) < size:
        services.append(
            {
                "service": f"{rng.choice(_WORDS)}-{rng.randrange(100)}",
                "ok": rng.random() < 0.97,
                "latency_ms": round(rng.lognormvariate(3, 0.6), 1),
                "checked": 1_700_000_000 + rng.randrange(10_000_000),
            }
        )
    return json.dumps({"services": services}, indent=1)


def write_site(root: Path, style: WebStyle, rng: random.Random) -> Site:
    """Fill a web server's document root and say what is in it."""
    for folder in ("p", "a", "f", "api"):
        (root / folder).mkdir(parents=True)
    pages: dict[str, tuple[str, ...]] = {}
    for number in range(style.pages):
        objects = []
        for part in range(rng.randint(*style.objects)):
            path = f"a/{number}-{part}.{rng.choice(_SUFFIXES)}"
            (root / path).write_bytes(rng.randbytes(rng.randint(*style.object_bytes)))
            objects.append(path)
        links = "".join(f'<link href="/{path}">' for path in objects)
        body = prose(rng, rng.randint(*style.page_bytes))
        page = f"p/{number}.html"
        (root / page).write_text(f"<html><head>{links}</head><body>{body}</body></html>")
        pages[page] = tuple(objects)
    files = tuple(f"f/{number}.bin" for number in range(4))
    for path in files:
        (root / path).write_bytes(rng.randbytes(rng.randint(*style.file_bytes)))
    (root / "api/status").write_text(_status(rng, style.status_bytes))
    return Site(pages, files)
