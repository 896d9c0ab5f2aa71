"""Drawings as SVG by hand: no script, no font, no request; colours are classes of the style sheet.

Every text goes through `escape`: names come from data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from metatap_training.report.page.axes import Axis

WIDTH, HEIGHT = 360, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 12, 42

_MARKS = ("M{x:.1f} {y:.1f}m-2 0a2 2 0 1 0 4 0a2 2 0 1 0-4 0", "M{x:.1f} {y:.1f}m-2-2h4v4h-4z",
          "M{x:.1f} {y:.1f}m0-3l3 5h-6z", "M{x:.1f} {y:.1f}m0-3l3 3-3 3-3-3z",
          "M{x:.1f} {y:.1f}m0 3l3-5h-6z")  # fmt: skip
"""Circle, square, triangle, diamond, triangle upside down."""


class Plot:
    """A plot of 360 × 270 units with two axes."""

    def __init__(self, title: str, x: Axis, y: Axis) -> None:
        self._title, self._x, self._y = title, x, y
        self._back: list[str] = []
        self._front: list[str] = []

    def line(self, xs: Sequence[float], ys: Sequence[float], style: str, name: str) -> None:
        """A line through the points that are known, with its name as tooltip."""
        places = [self._at(x, y) for x, y in zip(xs, ys, strict=True) if not math.isnan(x + y)]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        self._front.append(
            f'<polyline class="line {style}" points="{points}">'
            f"<title>{escape(name)}</title></polyline>"
        )

    def dots(self, xs: Sequence[float], ys: Sequence[float], style: str, shape: int = 0) -> None:
        """One mark a point."""
        mark = _MARKS[shape % len(_MARKS)]
        known = [(x, y) for x, y in zip(xs, ys, strict=True) if not math.isnan(x + y)]
        places = [self._at(x, y) for x, y in known]
        path = "".join(mark.format(x=x, y=y) for x, y in places)
        self._front.append(f'<path class="dot {style}" d="{path}"/>')

    def range(self, x: float, low: float, high: float, style: str) -> None:
        """A vertical interval."""
        if not math.isnan(low + high):
            (left, top), (_, bottom) = self._at(x, high), self._at(x, low)
            self._front.append(
                f'<path class="line {style}" d="M{left:.1f} {top:.1f}V{bottom:.1f}"/>'
            )

    def upright(self, x: float) -> None:
        """A dashed vertical line for reference."""
        at, _ = self._at(x, self._y.low)
        self._back.append(f'<path class="ref" d="M{at:.1f} {_TOP}V{HEIGHT - _BOTTOM}"/>')

    def diagonal(self) -> None:
        """A dashed line from corner to corner."""
        self._back.append(f'<path class="ref" d="M{_LEFT} {HEIGHT - _BOTTOM}L{WIDTH - _RIGHT} '
                          f'{_TOP}"/>')  # fmt: skip

    def _at(self, x: float, y: float) -> tuple[float, float]:
        across = _LEFT + self._x.place(x) * (WIDTH - _LEFT - _RIGHT)
        return across, HEIGHT - _BOTTOM - self._y.place(y) * (HEIGHT - _TOP - _BOTTOM)

    def _axes(self) -> str:
        base, right, parts = HEIGHT - _BOTTOM, WIDTH - _RIGHT, []
        for value, name in self._x.ticks:
            at, _ = self._at(value, self._y.low)
            parts.append(
                f'<path class="grid" d="M{at:.1f} {_TOP}V{base}"/>'
                f'<text x="{at:.1f}" y="{base + 15}" text-anchor="middle">{escape(name)}</text>'
            )
        for value, name in self._y.ticks:
            _, at = self._at(self._x.low, value)
            parts.append(
                f'<path class="grid" d="M{_LEFT} {at:.1f}H{right}"/>'
                f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{escape(name)}</text>'
            )
        middle, centre = (_LEFT + right) / 2, (_TOP + base) / 2
        parts.append(
            f'<path class="axis" d="M{_LEFT} {_TOP}V{base}H{right}"/>'
            f'<text class="label" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">'
            f"{escape(self._x.label)}</text>"
            f'<text class="label" transform="translate(11 {centre}) rotate(-90)" '
            f'text-anchor="middle">{escape(self._y.label)}</text>'
        )
        return "".join(parts)

    def svg(self) -> Markup:
        """The whole drawing, described for readers who can't see it."""
        return Markup(  # noqa: S704 - every text in it is escaped
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(self._title)}">'
            f"{self._axes()}{''.join(self._back)}{''.join(self._front)}</svg>"
        )


def strip(
    axis: Axis,
    value: float,
    interval: tuple[float, float],
    *,
    other: float = math.nan,
    band: tuple[float, float] | None = None,
    style: str = "s-own",
) -> Markup:
    """One row of a dot plot: a dot with its interval, a second mark, a band behind.

    Args:
        axis: From left to right.
        value: The dot.
        interval: Of the value; NaNs if there is none.
        other: A diamond, unless NaN.
        band: Shaded.
        style: Class of dot and interval.
    """
    width, parts = 180, []

    def at(place: float) -> float:
        return 6 + axis.place(place) * (width - 12)

    if band is not None:
        low, high = at(band[0]), at(band[1])
        parts.append(f'<rect class="band" x="{low:.1f}" y="0" width="{high - low:.1f}" '
                     'height="18"/>')  # fmt: skip
    parts.extend(f'<path class="grid" d="M{at(tick):.1f} 0V18"/>' for tick, _ in axis.ticks)
    if not math.isnan(interval[0] + interval[1]):
        low, high = at(interval[0]), at(interval[1])
        parts.append(f'<path class="line {style}" d="M{low:.1f} 9H{high:.1f}"/>')
    if not math.isnan(other):
        parts.append(f'<path class="dot s-peer" d="M{at(other):.1f} 9m0-5l5 5-5 5-5-5z"/>')
    if not math.isnan(value):
        parts.append(f'<circle class="dot {style}" cx="{at(value):.1f}" cy="9" r="4"/>')
    body = "".join(parts)
    return Markup(  # noqa: S704 - numbers and fixed classes
        f'<svg class="strip" viewBox="0 0 {width} 18" aria-hidden="true">{body}</svg>'
    )
