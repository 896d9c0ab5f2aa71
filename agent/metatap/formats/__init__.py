"""Formats: the language of the SIEM that an alert goes to.

In: the alert's JSON object in ECS, decoded. Out: one line of bytes without its end, in ECS, OCSF,
CEF, EVE or as Zeek's notice. Nothing is dropped: what a document lacks is left out, what is too
long is cut.
"""

from metatap.formats.cef import CEF
from metatap.formats.ecs import ECS
from metatap.formats.eve import EVE
from metatap.formats.format import MAX_FORMATTED, Format
from metatap.formats.notice import NOTICE
from metatap.formats.ocsf import OCSF

FORMATS: dict[str, Format] = {format_.name: format_ for format_ in (ECS, OCSF, CEF, EVE, NOTICE)}
"""Name → format; the first is the default."""

__all__ = ["FORMATS", "MAX_FORMATTED", "Format"]
