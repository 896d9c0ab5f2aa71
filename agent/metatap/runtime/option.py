"""What is told of an option in the tables of all options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from metatap.runtime.forms import Form


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    Attributes:
        name: Dotted name, `section.key` or `key`.
        form: What values it takes.
        default: Value where it is not set.
        why: One sentence: what it does and why the default is what it is.
    """

    name: str
    form: Form
    default: Any
    why: str

    @property
    def variable(self) -> str:
        """Name of the environment variable that sets it."""
        return PREFIX + self.name.upper().replace(".", "__")


PREFIX = "METATAP_"
"""Start of the names of environment variables."""
