"""The fields of an alert in ECS: one table for the encoder's tests and for docs/alerts.md.

Names, types and which fields are arrays are those of Elastic Common Schema 9
(github.com/elastic/ecs, `generated/csv/fields.csv`). ECS leaves names of a product's own to the
product: those are under `metatap.`; `zeek.session_id` is the uid's name in Elastic's Zeek module.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EcsField:
    """One field.

    Attributes:
        name: Dotted name.
        type: Elasticsearch type.
        doc: What an alert has there.
        is_array: Whether it is always an array.
        is_always: Whether every alert has it.
    """

    name: str
    type: str
    doc: str
    is_array: bool = False
    is_always: bool = True

    @property
    def is_own(self) -> bool:
        """Not a field of ECS."""
        return self.name.startswith(("metatap.", "zeek."))


def _some(name: str, type_: str, doc: str, *, is_array: bool = False) -> EcsField:
    return EcsField(name, type_, doc, is_array, is_always=False)


FIELDS: tuple[EcsField, ...] = (
    EcsField("@timestamp", "date", "End of the flow; of the last flow in a `summary`."),
    EcsField("message", "match_only_text", "One sentence: what, who, why."),
    EcsField("ecs.version", "keyword", "Version of ECS."),
    EcsField("event.id", "keyword", "Id of this event, the same if the flows are read again."),
    EcsField("event.kind", "keyword", "`alert`"),
    EcsField("event.category", "keyword", "`network`, `intrusion_detection`", is_array=True),
    EcsField("event.type", "keyword", "`info`", is_array=True),
    EcsField("event.action", "keyword", "`alert_opened` or `alert_summary`"),
    EcsField("event.module", "keyword", "`metatap`"),
    EcsField("event.dataset", "keyword", "`metatap.alert`"),
    EcsField("event.created", "date", "When the agent made the event."),
    EcsField("event.start", "date", "Start of the first flow."),
    EcsField("event.end", "date", "End of the last flow so far."),
    EcsField("event.severity", "long", "21 low, 47 medium, 73 high, 99 critical."),
    EcsField("event.risk_score", "float", "The same number."),
    _some("event.reason", "keyword", "The features that moved the score most."),
    EcsField("rule.id", "keyword", "Id of the pack."),
    EcsField("rule.name", "keyword", "Name of the pack."),
    _some("rule.description", "keyword", "What the pack detects."),
    _some("rule.author", "keyword", "Who made it.", is_array=True),
    _some("rule.reference", "keyword", "Its first reference."),
    EcsField("rule.ruleset", "keyword", "`metatap`"),
    EcsField("rule.version", "keyword", "First 12 digits of the pack's SHA-256."),
    _some("threat.framework", "keyword", "`MITRE ATT&CK`"),
    _some("threat.technique.id", "keyword", "Techniques of the pack.", is_array=True),
    _some("threat.technique.reference", "keyword", "Their pages.", is_array=True),
    _some("threat.technique.subtechnique.id", "keyword", "Its sub-techniques.", is_array=True),
    _some("threat.technique.subtechnique.reference", "keyword", "Their pages.", is_array=True),
    _some("source.ip", "ip", "Originator."),
    _some("source.port", "long", "Its port; not for ICMP."),
    _some("source.bytes", "long", "IP bytes it sent."),
    _some("source.packets", "long", "Packets it sent."),
    _some("destination.ip", "ip", "Responder; the first one where there are many."),
    _some("destination.port", "long", "Its port; not for ICMP."),
    _some("destination.bytes", "long", "IP bytes it sent."),
    _some("destination.packets", "long", "Packets it sent."),
    _some("network.type", "keyword", "`ipv4` or `ipv6`"),
    _some("network.transport", "keyword", "`tcp`, `udp`, `icmp` or `ipv6-icmp`"),
    _some("network.iana_number", "keyword", "Its number."),
    _some("network.protocol", "keyword", "First protocol in Zeek's `service`."),
    _some("network.direction", "keyword", "`inbound`, `outbound`, `internal` or `external`"),
    _some("network.community_id", "keyword", "Community ID v1."),
    _some("network.bytes", "long", "IP bytes both ways."),
    _some("network.packets", "long", "Packets both ways."),
    EcsField("observer.vendor", "keyword", "`metatap`"),
    EcsField("observer.product", "keyword", "`metatap`"),
    EcsField("observer.version", "keyword", "Version of the agent."),
    EcsField("observer.name", "keyword", "Name of the sensor."),
    EcsField("observer.type", "keyword", "`sensor`"),
    _some("related.ip", "ip", "Both addresses.", is_array=True),
    _some("zeek.session_id", "keyword", "Zeek's uid of the flow."),
    EcsField("metatap.alert.id", "keyword", "The same in `opened` and `summary`."),
    EcsField("metatap.alert.kind", "keyword", "`opened` or `summary`"),
    EcsField(
        "metatap.alert.revision",
        "long",
        "0; higher in the events that follow when more flows came after a `summary`.",
    ),
    EcsField("metatap.alert.count", "long", "Flows so far; 1 in `opened`."),
    EcsField("metatap.alert.window.start", "date", "Start of the window."),
    EcsField("metatap.alert.window.seconds", "double", "Its length."),
    EcsField(
        "metatap.alert.early",
        "boolean",
        "Closed before its time, since too many alerts were open.",
    ),
    _some(
        "metatap.alert.destinations",
        "long",
        "Where one alert stands for many hosts: how many so far; `destination.ip` is the first.",
    ),
    _some(
        "metatap.alert.destinations_at_least",
        "boolean",
        "Likewise: whether there may be more than that.",
    ),
    _some("metatap.alert.uids", "keyword", "Zeek's uids of the first flows.", is_array=True),
    EcsField("metatap.score", "double", "Score of the flow."),
    EcsField("metatap.threshold", "double", "Threshold of the pack at that time."),
    EcsField("metatap.over", "double", "How far the score is over the threshold."),
    EcsField(
        "metatap.threshold_source",
        "keyword",
        "`reference`: from the background in the model file; `local`: from this network; `model`: "
        "stated beside a classifier.",
    ),
    EcsField("metatap.max_score", "double", "Highest score so far."),
    _some("metatap.max_uid", "keyword", "Zeek's uid of the flow with it."),
    EcsField("metatap.model.name", "keyword", "The model."),
    EcsField("metatap.model.version", "keyword", "Its version."),
    EcsField("metatap.model.sha256", "keyword", "Its file."),
    EcsField("metatap.pack.id", "keyword", "The pack."),
    EcsField("metatap.pack.sha256", "keyword", "Its file."),
    EcsField("metatap.pack.severity", "keyword", "`low`, `medium`, `high` or `critical`"),
    _some(
        "metatap.unusual.one_in",
        "double",
        'N of "1 in N flows of the background score as high"; if none does, it is fewer than that.',
    ),
    _some("metatap.unusual.at_or_above", "long", "Flows of the background that score as high."),
    _some("metatap.unusual.background", "long", "Flows of the background."),
    _some(
        "metatap.unusual.source",
        "keyword",
        "Whose background: `reference`, that in the model file, or `local`, this network's.",
    ),
    _some("metatap.unusual.text", "keyword", "All of it in words."),
    _some("metatap.nearest.index", "long", "The most similar example in the pack, from 0."),
    _some("metatap.nearest.uid", "keyword", "Its uid."),
    _some("metatap.nearest.distance", "double", "Distance to it in the model's embedding."),
    _some(
        "metatap.nearest.flow",
        "flattened",
        "It under Zeek's field names, to be held beside `metatap.flow`.",
    ),
    _some("metatap.reasons.feature", "keyword", "A feature that moved the score.", is_array=True),
    _some("metatap.reasons.words", "keyword", "What it is.", is_array=True),
    _some("metatap.reasons.value", "double", "The flow's value.", is_array=True),
    _some("metatap.reasons.typical", "double", "The usual value.", is_array=True),
    _some("metatap.reasons.moved", "double", "By how much it moved the score.", is_array=True),
    _some("metatap.reasons.text", "keyword", "All of it in words.", is_array=True),
    _some(
        "metatap.pivot.filter",
        "keyword",
        "Expression that picks the flow, for `metatap teach --where`.",
    ),
    _some("metatap.pivot.jq", "keyword", "Command that finds its lines in Zeek's JSON logs."),
    _some("metatap.pivot.zeek_cut", "keyword", "Command that finds them in Zeek's TSV logs."),
    _some("metatap.flow", "flattened", "The flow under Zeek's field names."),
)
"""All fields of an alert, in the order they are written."""

BY_NAME: dict[str, EcsField] = {field.name: field for field in FIELDS}
