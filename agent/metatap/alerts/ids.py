"""Stable ids of alerts and of their events."""

from __future__ import annotations

import hashlib

import msgspec


def alert_id(sensor: str, pack: str, pack_sha256: str, hosts: bytes, window_start: int) -> str:
    """The id of an aggregate, the same after a restart and in every replay of the same flows.

    Args:
        sensor: Name of the sensor.
        pack: Pack id.
        pack_sha256: Hex digest of the pack's file: an edited pack is another rule.
        hosts: Originator's, then responder's address, 16 bytes each, zeros if absent; of a fold
            the originator's alone.
        window_start: ns since the epoch. A flow without `ts` has the time it was received, so its
            id is stable in one run only.

    Returns:
        The first 32 hex digits of the SHA-256 of the JSON list of these values.
    """
    return _digest([sensor, pack, pack_sha256, hosts.hex(), window_start])


def event_id(alert: str, kind: str, revision: int, *, uid: str, start: int, end: int) -> str:
    """The id of one event of an alert, likewise.

    The flow that opened the alert is part of it: an alert that was forgotten and is opened again by
    another flow has other events.

    Args:
        alert: The alert's id.
        kind: `opened` or `summary`.
        revision: How often the alert went on.
        uid: Uid of the flow that opened it, "" if absent.
        start: Start of that flow, ns since the epoch.
        end: Its end, likewise.
    """
    return _digest([alert, kind, revision, uid, start, end])


def _digest(values: list[str | int]) -> str:
    return hashlib.sha256(msgspec.json.encode(values)).hexdigest()[:32]
