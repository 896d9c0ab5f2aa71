"""The errors metatap raises; each message names the file, line, message or field at fault."""

from __future__ import annotations


class MetatapError(Exception):
    """Base of all errors a user of metatap may want to catch."""


class FlowError(MetatapError):
    """A flow record or batch breaks the schema; names the column."""


class WireError(MetatapError):
    """A wire message can't be decoded.

    Attributes:
        reason: Short name for the counter and the log, e.g. `bad_tag`.
        field: Where in the message, e.g. `flows.conn.orig_h`.
    """

    def __init__(self, reason: str, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.reason = reason
        self.field = field


class SourceError(MetatapError):
    """A source can't be opened or read on; names the file or endpoint."""


class FaultsError(MetatapError):
    """A document is refused for one or more faults.

    Attributes:
        faults: Each fault, with file and line; the message is these, one a line.
    """

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class ConfigError(FaultsError):
    """The configuration is wrong; names every fault with file and line or variable."""


class ModelError(MetatapError):
    """A model file is refused; names the file and what is wrong with it."""


class PackError(FaultsError):
    """A threat pack is refused; names every fault with file, line, flow and field."""


class TeachError(MetatapError):
    """A pack can't be made from what was asked for; names the uid, option or file."""


class StateError(MetatapError):
    """The folder of what is kept can't be used; names it."""
