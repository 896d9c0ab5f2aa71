"""The loops of the compiled twin: numba compiles them when this is imported, in seconds.

They are cached where the package lies if that can be written to, else in the user's cache, else not
at all. Each entry is compiled for one signature only, so a live stream never waits for it again.
"""

from metatap.context.compiled.given import given_rows
from metatap.context.compiled.slots import locate_rows
from metatap.context.compiled.statistics import update_rows

__all__ = ["given_rows", "locate_rows", "update_rows"]
