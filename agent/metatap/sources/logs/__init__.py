"""Flows from the logs that Zeek wrote, JSON or TSV: the source `zeek+logs`.

In: folders or files, see `files`. Out: `FlowBatch`es, the conn lines joined with the summaries of
their dns, http, ssl and ssh lines. Dropped: lines, under the names of `faults.REASONS`.
docs/logs.md has the rules and their reasons.

The path of a line: `blocks` (bytes, inflated, cut into lines) → `lines` (JSON, or `tsv`, checked by
the table in `fields`) → `stream` (file after file, faults told) → `join` and `pending` (by capture
and uid) → `columns` → `source`.
"""

from metatap.sources.logs.faults import REASONS
from metatap.sources.logs.options import LogOptions
from metatap.sources.logs.source import ZeekLogs
from metatap.sources.logs.summaries import Summary, summarise

__all__ = ["REASONS", "LogOptions", "Summary", "ZeekLogs", "summarise"]
