"""Made-up labelled flows: five networks, a few services and threats with features of their own."""

from __future__ import annotations

import numpy as np

from metatap.features import NAMES, WIDTH
from metatap.features.table import INDEX
from metatap_training.datasets import BENIGN, MALICIOUS, UNKNOWN, Flows, concat

NETWORKS = ("north", "south", "east", "west", "centre")
SERVICES = ("tcp/80", "tcp/443", "udp/53", "tcp/22")
FAMILIES = ("worm", "tunnel", "beacon", "flood")


def kind(name: str) -> np.ndarray:
    """float64 [F], where flows of a service or family lie."""
    rng = np.random.default_rng(list(name.encode()))
    centre = np.where([n.startswith(("has.", "proto.")) for n in NAMES], 0.5, 0.0)
    chosen = rng.choice(WIDTH, 12, replace=False)
    centre[chosen] += rng.normal(0, 3, 12)
    return np.abs(centre)


def block(name: str, label: int, network: str, rows: int, seed: int) -> Flows:
    """`rows` flows of one kind in one network."""
    rng = np.random.default_rng([seed, *name.encode(), *network.encode()])
    drift = np.random.default_rng(list(network.encode())).normal(0, 0.2, WIDTH)
    features = np.abs(kind(name) + drift + rng.normal(0, 0.4, (rows, WIDTH))).astype(np.float32)
    features[:, INDEX["resp_pkts"]] = 1 + rng.integers(0, 9, rows)
    features[:, INDEX["has.history"]] = 1
    features[rng.random((rows, WIDTH)) < 0.02] = np.nan
    service = name if name in SERVICES else "tcp/4444"
    return Flows(
        features=features,
        label=np.full(rows, label, np.int8),
        family=np.full(rows, "" if label == UNKNOWN else name),
        network=np.full(rows, network),
        source=np.full(rows, f"source-{network}"),
        capture=np.array([f"{network}/{at % 2}" for at in range(rows)]),
        scope=np.full(rows, "flow"),
        service=np.full(rows, service),
        ts=1e9 + np.sort(rng.random(rows)) * 3600,
        host=np.array([f"10.0.0.{at % 5}" for at in range(rows)]),
        uid_hash=rng.integers(0, 2**63, rows).astype(np.uint64),
    )


def flows(rows: int = 150, seed: int = 0) -> Flows:
    """All services in all networks, each family in two of them, some unknown flows."""
    parts = [block(s, BENIGN, n, rows, seed) for s in SERVICES for n in NETWORKS]
    for at, family in enumerate(FAMILIES):
        homes = (NETWORKS[at], NETWORKS[(at + 1) % len(NETWORKS)])
        parts += [block(family, MALICIOUS, network, 40, seed) for network in homes]
    parts.append(block("tcp/80", UNKNOWN, "north", 50, seed + 1))
    return concat(parts)
