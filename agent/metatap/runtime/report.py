"""What the stages have counted, as JSON can say it: for the log, the status and the metrics."""

from __future__ import annotations

from typing import Any

from metatap.runtime.pipeline import Pipeline
from metatap.runtime.reload import Reloader
from metatap.state import State
from metatap.state.history import AlertHistory


def report(pipeline: Pipeline, reloader: Reloader) -> dict[str, object]:
    """Totals and the counters of every stage."""
    tally, aggregator = pipeline.tally, pipeline.aggregator
    return {
        "flows": tally.flows,
        "busy_seconds": round(tally.busy, 4),
        "alerts": tally.alerts,
        "aggregates": {
            "open": len(aggregator),
            "opened": aggregator.opened,
            "summaries": aggregator.summaries,
            "closed_early": aggregator.closed_early,
            "unexplained": aggregator.unexplained,
            "suppressed": aggregator.suppressed,
        },
        "context": _context(pipeline),
        "reload": reloader.report(),
        "sources": [source.status() for source in pipeline.sources],
        **outlets_document(pipeline),
        "stages": {
            name: {"received": c.received, "passed": c.passed, "dropped": dict(c.dropped)}
            for name, c in pipeline.stages().items()
        },
    }


def outlets_document(pipeline: Pipeline) -> dict[str, Any]:
    """The spool and its sinks; for any thread, as the pipeline may wait for room there."""
    outlets = pipeline.outlets
    if outlets is None:
        return {"spool": None, "sinks": []}
    return {"spool": outlets.report(), "sinks": outlets.status()}


def state_document(state: State | None, history: AlertHistory | None) -> dict[str, Any] | None:
    """The state folder, and what of it was damaged and set aside; None where there is none."""
    if state is None:
        return None
    dropped = [*state.dropped, *(history.dropped if history is not None else [])]
    return {"folder": str(state.folder), "dropped": dropped}


def _context(pipeline: Pipeline) -> dict[str, object]:
    context = pipeline.detector.context
    if context is None:
        return {}
    return {
        "bytes": context.nbytes,
        "compiled": context.compiled,
        "replaced": context.evictions.replaced,
        "unplaced": context.evictions.unplaced,
    }
