"""Alerts: from hits to what an analyst reads.

In: `Detections` of a batch. Out: `Alert`, and encoders from it to one line of JSON. Dropped:
`no_pack`, a hit on the padding after the last pack, which a sound model does not give.
"""

from metatap.alerts.aggregate import Aggregator
from metatap.alerts.alert import Alert, AlertKind, ModelRef, Rule
from metatap.alerts.community_id import community_id, flow_community_id
from metatap.alerts.ecs import encode_ecs

__all__ = [
    "Aggregator",
    "Alert",
    "AlertKind",
    "ModelRef",
    "Rule",
    "community_id",
    "encode_ecs",
    "flow_community_id",
]
