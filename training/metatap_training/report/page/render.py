"""Sections → one HTML file that asks for nothing: style and script inside, pinned by their hash."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from metatap_training.report.page.attacks import attacks
from metatap_training.report.page.bar import bar_section, rates_section
from metatap_training.report.page.curves import calibration, learning, tradeoffs
from metatap_training.report.page.extras import Embedding, Extra
from metatap_training.report.page.families import cells, families
from metatap_training.report.page.model import Section
from metatap_training.report.page.modes import mode, validation
from metatap_training.report.page.others import ablations, embedding, founding, single_draw
from metatap_training.report.page.words import MEANING, TITLES
from metatap_training.report.realised import Realised, realised
from metatap_training.report.results import Results
from metatap_training.report.verdict import LIMITS, TABLES, Bar, Labels, bar


@dataclass(frozen=True)
class Extras:
    """What stands beside the results, each part only if it was measured."""

    embedding: Embedding | None = None
    others: Sequence[Extra] = field(default_factory=tuple)
    attacked: Results | None = None


def page(results: Results, extras: Extras | None = None) -> str:
    """The whole page as HTML.

    Args:
        results: Rows of a benchmark.
        extras: Side files.
    """
    beside = extras or Extras()
    bars = {labels: bar(results, labels) for labels in Labels}
    rates = realised(results)
    style, script = _asset("page.css"), _asset("page.js")
    template = _environment().get_template("page.html.j2")
    return template.render(
        policy=f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'",
        style=Markup(style),  # noqa: S704 - a file of this package
        script=Markup(script),  # noqa: S704 - a file of this package
        scores=_scores(bars[Labels.ALL]),
        passed=bars[Labels.ALL].passed and bool(rates) and all(one.passed for one in rates),
        sections=_sections(results, beside, bars, rates),
        validation=validation(results),
        meaning=MEANING,
        facts=results.about.facts,
        rows=len(results),
        families=len(results.only(role="test").values("family")),
        cells=len(results.single().first),
    )


def _sections(
    results: Results, extras: Extras, bars: dict[Labels, Bar], rates: tuple[Realised, ...]
) -> list[Section]:
    bins = tuple(one for extra in extras.others for one in extra.calibration)
    networks = tuple(one for extra in extras.others for one in extra.founding)
    return [
        bar_section(bars),
        *(mode(results, table) for table in TITLES),
        rates_section(rates),
        learning(results),
        *tradeoffs(results),
        families(results),
        calibration(bins),
        embedding(extras.embedding),
        ablations(results),
        single_draw(results),
        attacks(extras.attacked),
        founding(networks),
        cells(results),
    ]


def _scores(found: Bar) -> list[dict[str, object]]:
    verdicts = {(one.table, one.k): one for one in found.verdicts}
    return [
        {"title": TITLES[table], "cells": [(k, verdicts.get((table, k))) for k in LIMITS]}
        for table in TABLES
    ]


def _environment() -> Environment:
    loader = PackageLoader("metatap_training.report.page", "assets")
    return Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


def _asset(name: str) -> str:
    return (files("metatap_training.report.page") / "assets" / name).read_text("utf-8")


def _hash(content: str) -> str:
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"sha256-{digest}"
