"""A format: how one alert is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from metatap.alerts.cutting import line_within
from metatap.alerts.ecs import SEVERITY
from metatap.packs import Severity

MAX_FORMATTED = 64 * 1024
"""Bytes of a line in any format; longer texts and lists are cut until it fits."""

Severities = Mapping[str, int]
"""Severity of the pack → the format's number."""

ECS_SEVERITY: Severities = {severity.value: number for severity, number in SEVERITY.items()}
"""Those of ECS, for formats that have none of their own."""


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write an alert.

    Attributes:
        name: As in the configuration.
        media_type: Of the line.
        severities: The number of each severity.
        lowest: Lowest number a severity may have.
        highest: Highest number.
        line: Document and severities → one line without its end.
    """

    name: str
    media_type: str
    severities: Severities
    lowest: int
    highest: int
    line: Callable[[Mapping[str, Any], Severities], bytes]

    @property
    def is_json(self) -> bool:
        """Whether the line is one JSON object."""
        return self.media_type == "application/json"

    def encode(self, document: Mapping[str, Any]) -> bytes:
        """One alert on one line without its end, at most `MAX_FORMATTED` bytes.

        Args:
            document: The alert's event in ECS, decoded from JSON. What it lacks or has under
                another type is left out.
        """
        return line_within(MAX_FORMATTED, document, lambda given: self.line(given, self.severities))

    def with_severities(self, given: Severities) -> Format:
        """The same format with other numbers; severities that are not given keep theirs.

        Raises:
            ValueError: a severity is unknown or its number not one of the format; names it.
        """
        for name, number in given.items():
            if name not in self.severities:
                known = ", ".join(severity.value for severity in Severity)
                raise ValueError(f"{name}: not a severity; known: {known}")
            if isinstance(number, bool) or not isinstance(number, int):
                raise ValueError(f"{name}: not a whole number")
            if not self.lowest <= number <= self.highest:
                raise ValueError(
                    f"{name}: {number} is not from {self.lowest} to {self.highest}, "
                    f"the severities of {self.name}"
                )
        return replace(self, severities={**self.severities, **given})
