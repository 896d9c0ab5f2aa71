"""The fields of each JSON format and where they come from, for docs/formats.md.

A test holds the names equal to what the cases of all formats have.
"""

from __future__ import annotations

Row = tuple[str, str, str]
"""Field, where it comes from in ECS or its fixed value, what it is."""

OCSF: tuple[Row, ...] = (
    ("activity_id, activity_name", "`metatap.alert.kind`, `.revision`", "1 Create or 2 Update"),
    ("category_uid, category_name", "2", "Findings"),
    ("class_uid, class_name", "2004", "Detection Finding"),
    ("type_uid, type_name", "200401 or 200402", "Class and activity."),
    ("time", "`@timestamp`", "End of the flow; of the last flow in an update."),
    ("start_time", "`event.start`", "Start of the first flow."),
    ("end_time", "`event.end`", "End of the last flow so far."),
    ("duration", "", "Between the two, ms."),
    ("count", "`metatap.alert.count`", "Flows so far."),
    ("severity_id, severity", "`metatap.pack.severity`", "By the table of severities."),
    ("status_id, status", "1", "New, in a Create; else the consumer's own."),
    ("message", "`message`", "One sentence: what, who, why."),
    ("is_alert", "`metatap.alert.kind`", "Whether it is `opened`."),
    ("action_id, action", "3", "Observed"),
    ("disposition_id, disposition", "15", "Detected"),
    ("risk_score", "`event.risk_score`", "As in ECS."),
    ("metadata.version", "1.8.0", "Of OCSF."),
    ("metadata.product.name, metadata.product.vendor_name", "`metatap`", ""),
    ("metadata.product.version", "`observer.version`", "Version of the agent."),
    ("metadata.uid", "`event.id`", "Id of this event."),
    ("metadata.profiles[]", "`security_control`", ""),
    ("metadata.reporter.name", "`observer.name`", "Name of the sensor."),
    ("finding_info.uid", "`metatap.alert.id`", "The same in all events of an alert."),
    ("finding_info.title", "`rule.name`", "Name of the pack."),
    ("finding_info.desc", "`rule.description`", "What the pack detects."),
    ("finding_info.created_time", "`event.created`", "In a Create."),
    ("finding_info.modified_time", "`event.created`", "In an Update."),
    ("finding_info.first_seen_time", "`event.start`", ""),
    ("finding_info.last_seen_time", "`event.end`", ""),
    ("finding_info.analytic.uid", "`rule.id`", "Id of the pack."),
    ("finding_info.analytic.name", "`rule.name`", ""),
    ("finding_info.analytic.type_id, finding_info.analytic.type", "4", "Learning (ML/DL)"),
    ("finding_info.analytic.version", "`rule.version`", "First digits of the pack's SHA-256."),
    ("finding_info.analytic.algorithm", "`metatap.model.name`, `.version`", "The model."),
    ("finding_info.attacks[]", "`threat.technique`", "The same as `attacks[]`."),
    ("finding_info.data_sources[]", "`Zeek`", ""),
    ("finding_info.related_events[].uid", "`metatap.alert.uids`", "Zeek's uids of the flows."),
    ("finding_info.related_events_count", "`metatap.alert.count`", "All of them."),
    ("attacks[].technique.uid, .name, .src_url", "`threat.technique.id`", "ATT&CK technique."),
    (
        "attacks[].sub_technique.uid, .name, .src_url",
        "`threat.technique.subtechnique.id`",
        "ATT&CK sub-technique.",
    ),
    ("attacks[].tactic.uid, .name", "", "Its tactic, if it serves one alone."),
    ("attacks[].version", "18.1", "Of ATT&CK."),
    ("evidences[0].src_endpoint.ip, .port", "`source`", "Originator; no port for ICMP."),
    ("evidences[0].dst_endpoint.ip, .port", "`destination`", "Responder, likewise."),
    (
        "evidences[0].connection_info.direction_id, .direction",
        "`network.direction`",
        "1 Inbound, 2 Outbound, 3 Lateral (internal), 99 external, 0 Unknown",
    ),
    ("evidences[0].connection_info.uid", "`zeek.session_id`", "Zeek's uid."),
    ("evidences[0].connection_info.community_uid", "`network.community_id`", ""),
    ("evidences[0].connection_info.protocol_name", "`network.transport`", ""),
    ("evidences[0].connection_info.protocol_num", "`network.iana_number`", ""),
    ("evidences[0].connection_info.protocol_ver_id", "`network.type`", "4 or 6"),
    ("evidences[0].connection_info.flag_history", "`metatap.flow.history`", "Zeek's history."),
    ("observables[].name, .type_id, .type, .value", "`source.ip`, `destination.ip`", "Both."),
    ("unmapped", "{unmapped}", "By their ECS names."),
)

EVE: tuple[Row, ...] = (
    ("timestamp", "`@timestamp`", "End of the flow; of the last flow in a `summary`."),
    ("flow_id", "`zeek.session_id`", "51 bits of its BLAKE2b: the same for all alerts of a flow."),
    ("host", "`observer.name`", "Name of the sensor."),
    ("event_type", "`alert`", ""),
    ("src_ip, src_port", "`source`", "Originator; no port for ICMP."),
    ("dest_ip, dest_port", "`destination`", "Responder, likewise."),
    ("proto", "`network.transport`", "`TCP`, `UDP`, `ICMP` or `IPv6-ICMP`"),
    ("ip_v", "`network.type`", "4 or 6"),
    ("icmp_type, icmp_code", "`metatap.flow.id.orig_p`, `.id.resp_p`", "Of ICMP."),
    ("app_proto", "`network.protocol`", "Under Suricata's name: `tls` for Zeek's `ssl`."),
    ("community_id", "`network.community_id`", ""),
    ("alert.action", "`allowed`", "metatap blocks nothing."),
    ("alert.gid", "{gid}", ""),
    ("alert.signature_id", "`rule.id`", "A number that hangs on the pack's id alone."),
    ("alert.rev", "`rule.version`", "First 28 bits of the pack's SHA-256; it doesn't rise."),
    ("alert.signature", "`rule.name`", "Name of the pack."),
    ("alert.category", "", "ATT&CK tactic, `Misc Attack` if it is not certain."),
    ("alert.severity", "`metatap.pack.severity`", "By the table of severities; 1 is the worst."),
    ("alert.references[]", "`rule.reference`", "Its first reference."),
    ("alert.metadata.mitre_tactic_id[], .mitre_tactic_name[]", "", "Tactics, where certain."),
    (
        "alert.metadata.mitre_technique_id[], .mitre_technique_name[]",
        "`threat.technique`",
        "Sub-techniques and techniques.",
    ),
    ("alert.metadata.pack[]", "`rule.id`", "Id of the pack."),
    ("alert.metadata.signature_severity[]", "`metatap.pack.severity`", "In words."),
    ("flow.pkts_toserver, .bytes_toserver", "`source`", "What the originator sent."),
    ("flow.pkts_toclient, .bytes_toclient", "`destination`", "What the responder sent."),
    ("flow.start", "`metatap.flow.ts`", "Start of the flow."),
    ("flow.src_ip, .src_port, .dest_ip, .dest_port", "", "As above."),
    ("metatap", "`metatap`", "All of it."),
    ("metatap.event_id", "`event.id`", "Id of this event."),
    ("metatap.message", "`message`", "One sentence: what, who, why."),
    ("metatap.uid", "`zeek.session_id`", "Zeek's uid."),
    ("metatap.direction", "`network.direction`", ""),
)

NOTICE: tuple[Row, ...] = (
    ("ts", "`@timestamp`", "s since the epoch."),
    ("uid", "`zeek.session_id`", "Of the flow."),
    ("id.orig_h", "`source.ip`", ""),
    ("id.orig_p", "`metatap.flow.id.orig_p`", "Of ICMP its type, as in Zeek's logs."),
    ("id.resp_h", "`destination.ip`", "The first one where there are many."),
    ("id.resp_p", "`metatap.flow.id.resp_p`", "Of ICMP its code."),
    ("proto", "`metatap.flow.proto`", ""),
    ("note", "`Metatap::Alert`", ""),
    ("msg", "`message`", "One sentence: what, who, why."),
    ("sub", "`event.reason`", "The features that moved the score most."),
    ("src", "`source.ip`", ""),
    ("dst", "`destination.ip`", ""),
    ("p", "`metatap.flow.id.resp_p`", ""),
    ("n", "`metatap.alert.count`", "Flows so far."),
    ("peer_descr", "`observer.name`", "Name of the sensor."),
    ("actions", "`Notice::ACTION_LOG`", ""),
    ("email_dest", "", "Empty."),
    (
        "suppress_for",
        "`metatap.alert.window.seconds`",
        "Flows of the same pair make no other alert for so long.",
    ),
    ("identifier", "`metatap.alert.id`", "Not logged by Zeek."),
    ("severity", "`metatap.pack.severity`", "By the table of severities; not a field of Zeek."),
)


def names(rows: tuple[Row, ...]) -> set[str]:
    """The full names of the first column: `a.b, .c` stands for `a.b` and `a.c`."""
    found: set[str] = set()
    for cell, _, _ in rows:
        first, *others = cell.split(", ")
        stem = first.rpartition(".")[0]
        found |= {first, *(f"{stem}{name}" if name.startswith(".") else name for name in others)}
    return found
