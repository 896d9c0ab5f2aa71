"""What lists look at of hits, as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import numpy as np
import numpy.typing as npt

from metatap.alerts import Alert
from metatap.detector import Detections
from metatap.flow import FlowBatch, Row
from metatap.flow.schema import PROTOS, STRING_MAX_BYTES
from metatap.lists.values import fold

Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]
Codes = npt.NDArray[np.int32]

ABSENT = -1
ICMP = PROTOS.index("icmp")

_NAMES = ("dns.query", "http.host", "ssl.server_name")
_MAPPED = b"\0" * 10 + b"\xff\xff"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses of h hits.

    Attributes:
        packed: uint8 [h, 16], IPv4 as ::ffff:a.b.c.d.
        known: bool [h], False where absent.
    """

    packed: Bytes
    known: Bools


@dataclass(frozen=True, slots=True)
class Facts:
    """Of h hits, what rules of lists can ask for.

    Attributes:
        orig: Originators.
        resp: Responders.
        port: int32 [h], the responder's port, `ABSENT` of ICMP too.
        proto: int32 [h], codes of `PROTOS`, or `ABSENT`.
        packs: Ids of packs.
        pack: int32 [h], which of them it is.
        service: h times `conn.service`, bytes in lower case; empty if nobody asks.
        names: h times the names of the flow, folded; empty if nobody asks.
    """

    orig: Addresses
    resp: Addresses
    port: Codes
    proto: Codes
    packs: Sequence[str]
    pack: Codes
    service: Sequence[bytes]
    names: Sequence[tuple[bytes, ...]]

    def __len__(self) -> int:
        return len(self.port)

    def part(self, start: int, stop: int) -> Facts:
        """The hits from `start` to before `stop`."""
        at = slice(start, stop)
        return Facts(
            Addresses(self.orig.packed[at], self.orig.known[at]),
            Addresses(self.resp.packed[at], self.resp.known[at]),
            self.port[at],
            self.proto[at],
            self.packs,
            self.pack[at],
            self.service[at],
            self.names[at],
        )


def facts_of_hits(
    detections: Detections, hits: slice, *, with_service: bool, with_names: bool
) -> Facts:
    """Facts of some hits of a batch.

    Args:
        detections: The scored batch.
        hits: Which of its hits.
        with_service: Whether services are asked for.
        with_names: Whether names are.
    """
    batch, rows = detections.batch, detections.rows[hits]
    proto = _codes(batch, "proto", rows)
    port = _codes(batch, "id.resp_p", rows)
    return Facts(
        _addresses(batch, "id.orig_h", rows),
        _addresses(batch, "id.resp_h", rows),
        np.where(proto == ICMP, np.int32(ABSENT), port),
        proto,
        [pack.id for pack in detections.rules.packs],
        detections.packs[hits].astype(np.int32),
        [text.lower() for text in _texts(batch, "service", rows)] if with_service else (),
        [*_names(batch, rows)] if with_names else (),
    )


def facts_of_alerts(alerts: Sequence[Alert]) -> Facts:
    """Facts of alerts, by the flow each shows; of a fold only originator and pack are facts."""
    flows = [{"id.orig_h": alert.orig} if alert.is_fold else alert.flow for alert in alerts]
    return facts_of_flows(flows, [alert.rule.id for alert in alerts])


def facts_of_flows(flows: Sequence[Row], packs: Sequence[str]) -> Facts:
    """Facts of flows under Zeek's field names, each with the id of the pack that it hit."""
    proto = np.array([_proto(flow) for flow in flows], np.int32)
    port = np.array([flow.get("id.resp_p", ABSENT) for flow in flows], np.int32)
    return Facts(
        _packed([flow.get("id.orig_h", "") for flow in flows]),
        _packed([flow.get("id.resp_h", "") for flow in flows]),
        np.where(proto == ICMP, np.int32(ABSENT), port),
        proto,
        packs,
        np.arange(len(flows), dtype=np.int32),
        [_encoded(flow.get("service", "")).lower() for flow in flows],
        [tuple(_sound((name, flow.get(name, "")) for name in _NAMES)) for flow in flows],
    )


def _addresses(batch: FlowBatch, name: str, rows: Index) -> Addresses:
    column = batch.numeric(name)
    if column is None:
        return Addresses(np.zeros((len(rows), 16), np.uint8), np.zeros(len(rows), np.bool_))
    return Addresses(np.ascontiguousarray(column.values[rows], np.uint8), column.mask()[rows])


def _codes(batch: FlowBatch, name: str, rows: Index) -> Codes:
    column = batch.numeric(name)
    if column is None:
        return np.full(len(rows), ABSENT, np.int32)
    values = column.values[rows].astype(np.int32)
    return np.where(column.mask()[rows], values, np.int32(ABSENT))


def _texts(batch: FlowBatch, name: str, rows: Index) -> list[bytes]:
    column = batch.strings(name)
    if column is None:
        return [b""] * len(rows)
    return [column.item(row) or b"" for row in rows.tolist()]


def _names(batch: FlowBatch, rows: Index) -> Iterator[tuple[bytes, ...]]:
    columns = [(name, _texts(batch, name, rows)) for name in _NAMES if batch.strings(name)]
    for at in range(len(rows)):
        yield tuple(_sound((name, texts[at]) for name, texts in columns))


def _sound(names: Any) -> Iterator[bytes]:
    """The names that are there and whole, folded; a cut one could end in any domain."""
    for field, given in names:
        name = _encoded(given) if isinstance(given, str) else given
        if not name or len(name) >= STRING_MAX_BYTES:
            continue
        if field == "http.host":
            host, colon, port = name.rpartition(b":")
            name = host if colon and port.isdigit() else name
        yield fold(name)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _packed(texts: Sequence[str]) -> Addresses:
    found = [b"" if not text else ip_address(text).packed for text in texts]
    whole = [_MAPPED + one if len(one) == 4 else one.ljust(16, b"\0") for one in found]
    packed = np.frombuffer(b"".join(whole), np.uint8).reshape(len(texts), 16)
    return Addresses(packed, np.array([bool(one) for one in found], np.bool_))


def _proto(flow: Row) -> int:
    name = flow.get("proto")
    return PROTOS.index(name) if name in PROTOS else ABSENT
