"""The document of one agent → figures under the names of `table`.

What a document lacks has no figure: an agent without a state folder has no spool, one at its start
no expectation.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from metatap.metrics.table import UNITS

Document = Mapping[str, Any]

PACK_STATES = ("active", "loading", "shadow", "quarantined")
NODE_STATES = ("active", "idle", "dead", "ended")
FAULT_KINDS = ("model", "packs", "folder", "lists", "config")
NOTICE_KINDS = ("drift", "budget")
FAILING = ("disk_full", "write_failed")


class Figure(NamedTuple):
    """One figure.

    Attributes:
        name: Of a metric of the table.
        value: A number; of a histogram its JSON form.
        labels: Values of the metric's labels, in the table's order.
    """

    name: str
    value: Any
    labels: tuple[str, ...] = ()


def figures(document: Document) -> Iterator[Figure]:
    """All figures of a document of `metatap status`."""
    yield from _process(document)
    yield from _stages(document["stages"])
    yield from _timing(document.get("timing"), float(document["busy_seconds"]))
    for at, source in enumerate(document["sources"]):
        yield from _source(str(at), source)
    yield from _alerts(document)
    yield from _context(document["context"])
    yield from _files(document)
    yield from _adaptation(document.get("adaptation"))
    yield from _budget(document)
    yield from _spool(document.get("spool"))
    yield from _sinks(document.get("sinks", ()))


def _process(document: Document) -> Iterator[Figure]:
    model = document["model"]
    yield Figure("build", 1, (str(document["version"]), platform.python_version()))
    yield Figure("model", 1, tuple(str(model[key]) for key in ("name", "version", "sha256")))
    if model["since"] is not None:
        yield Figure("model_loaded_timestamp_seconds", model["since"])
    yield Figure("document_age_seconds", document.get("age", 0.0))


def _stages(stages: Document) -> Iterator[Figure]:
    """Keys are `PLACE.UNIT`; a unit that the table does not know is no stage's."""
    for name, counts in stages.items():
        stage, _, unit = name.rpartition(".")
        if unit not in UNITS:
            continue
        yield Figure(f"{unit}_received", counts["received"], (stage,))
        yield Figure(f"{unit}_passed", counts["passed"], (stage,))
        for reason, dropped in counts["dropped"].items():
            yield Figure(f"{unit}_dropped", dropped, (stage, str(reason)))


def _timing(timing: Document | None, busy: float) -> Iterator[Figure]:
    yield Figure("busy_seconds", busy)
    if timing is None:
        return
    yield Figure("batches", timing["batches"])
    for stage, found in timing["stages"].items():
        yield Figure("batch_stage_seconds", found, (stage,))
    for name in ("receive_to_score", "flow_to_score", "flow_to_alert"):
        yield Figure(f"{name}_seconds", timing[name])


def _source(at: str, source: Document) -> Iterator[Figure]:
    """A source of the wire has nodes; one of logs has none, nor these figures."""
    if "bytes" in source:
        yield Figure("received_bytes", source["bytes"], (at,))
    if "nodes" in source:
        states = Counter(node["state"] for node in source["nodes"])
        for state in NODE_STATES:
            yield Figure("zeek_nodes", states[state], (at, state))
        yield Figure("zeek_nodes", source.get("more_nodes", 0), (at, "unlisted"))
    if "before_join" in source:
        yield Figure("flows_before_join", source["before_join"], (at,))
    for column, values in source.get("unknown_values", {}).items():
        yield Figure("unknown_values", values, (at, str(column)))


def _alerts(document: Document) -> Iterator[Figure]:
    found = document["aggregates"]
    yield Figure("alert_events", document["alerts"])
    yield Figure("aggregates_open", found["open"])
    yield Figure("aggregates_opened", found["opened"])
    yield Figure("aggregates_summarised", found["summaries"])
    yield Figure("aggregates_closed_early", found["closed_early"])
    yield Figure("aggregates_suppressed", found["suppressed"])
    yield Figure("alerts_unexplained", found["unexplained"])


def _context(context: Document) -> Iterator[Figure]:
    if context:
        yield Figure("context_bytes", context["bytes"])
        yield Figure("context_keys_replaced", context["replaced"])
        yield Figure("context_keys_unplaced", context["unplaced"])


def _files(document: Document) -> Iterator[Figure]:
    states = Counter(pack["state"] for pack in document["packs"])
    for state in PACK_STATES:
        yield Figure("packs", states[state], (state,))
    lists, reload = document["lists"], document["reload"]
    yield Figure("list_rules", lists["rules"])
    yield Figure("list_rules_expired", lists["expired_count"])
    yield Figure("rules_swapped", reload["swaps"])
    yield Figure("rollbacks", reload["rollbacks"])
    came, stay = reload["failed"], Counter(fault["kind"] for fault in document["faults"])
    for kind in dict.fromkeys((*FAULT_KINDS, *came, *stay)):
        yield Figure("file_faults", came.get(kind, 0), (kind,))
        yield Figure("file_faults_open", stay[kind], (kind,))
    if document["state"] is not None:
        yield Figure("state_files_dropped", len(document["state"]["dropped"]))


def _adaptation(known: Document | None) -> Iterator[Figure]:
    if known is None:
        return
    has_ended = bool(known["fault"]) or "background" not in known
    yield Figure("adaptation_up", int(not has_ended))
    came = known.get("notices", {})
    for kind in dict.fromkeys((*NOTICE_KINDS, *came)):
        yield Figure("notices", came.get(kind, 0), (kind,))
    if has_ended:
        return
    ground, alerts = known["background"], known["alerts_a_day"]
    yield Figure("background_flows", ground["flows"])
    yield Figure("background_hosts", ground["hosts"])
    yield Figure("background_flows_needed", ground["needed"])
    yield Figure("drift_learning", int(known["drift"] == "learning"))
    if alerts["expected"] is not None:
        yield Figure("alerts_expected_per_day", alerts["expected"])
    yield Figure("alerts_realised_per_day", alerts["realised"])


def _budget(document: Document) -> Iterator[Figure]:
    if "alerts_per_day" in document:
        yield Figure("alert_budget_per_day", document["alerts_per_day"])


def _spool(spool: Document | None) -> Iterator[Figure]:
    if spool is None:
        return
    yield Figure("spool_bytes", spool["bytes"])
    yield Figure("spool_depth", spool["depth"])
    yield Figure("spool_oldest_age_seconds", spool["oldest_s"])
    yield Figure("spool_held", spool["in_memory"])
    for reason in FAILING:
        yield Figure("spool_failing", int(spool["failing"] == reason), (reason,))
    yield Figure("spool_blocked", int(spool["blocked"]))
    yield Figure("spool_blocked_seconds", spool["blocked_s"])
    yield Figure("spool_forgotten", sum(spool["forgotten"].values()))
    yield Figure("spool_files_dropped", len(spool["set_aside"]))


def _sinks(sinks: Sequence[Document]) -> Iterator[Figure]:
    for name, sink in zip(sink_labels([sink["name"] for sink in sinks]), sinks, strict=True):
        yield Figure("sink_received", sink["received"], (name,))
        yield Figure("sink_passed", sink["passed"], (name,))
        for reason, dropped in sink["dropped"].items():
            yield Figure("sink_dropped", dropped, (name, str(reason)))
        yield Figure("sink_filtered", sink["filtered"], (name,))
        yield Figure("sink_waiting", sink["waiting"], (name,))
        yield Figure("sink_oldest_age_seconds", sink["oldest_s"], (name,))
        for reason, errors in sink["errors"].items():
            yield Figure("sink_errors", errors, (name, str(reason)))
        yield Figure("sink_resent", sink["resent"], (name,))


def sink_labels(names: Sequence[str]) -> list[str]:
    """Names without the place that follows the first `:`; of equal ones the second gets `-2`."""
    found: list[str] = []
    for name in names:
        base = label = name.partition(":")[0]
        times = 1
        while label in found:
            times += 1
            label = f"{base}-{times}"
        found.append(label)
    return found
