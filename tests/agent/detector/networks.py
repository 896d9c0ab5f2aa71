"""Networks of the lab as the detector sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metatap.context import Context
from metatap.demo import read_labels
from metatap.features import encode
from metatap.flow import FlowBatch, concat
from metatap.offline.stream import flows, open_sources
from metatap.offline.uids import uid_texts
from metatap.packs import Pack

LAB = Path(__file__).parents[2] / "data" / "lab"


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """The n flows of one network.

    Attributes:
        flows: The flows.
        context: float32 [n, C].
        features: float32 [n, F].
        family: What each is, by its label.
        benign: bool [n].
    """

    flows: FlowBatch
    context: npt.NDArray[np.float32]
    features: npt.NDArray[np.float32]
    family: npt.NDArray[np.str_]
    benign: npt.NDArray[np.bool_]

    def of(self, family: str) -> npt.NDArray[np.intp]:
        """Rows of a family."""
        return np.flatnonzero(self.family == family)

    def pack(self, name: str, rows: npt.NDArray[np.intp], like: Pack, **more: object) -> Pack:
        """A pack of some of the flows, its other fields those of another pack."""
        given: dict[str, object] = {
            "id": name,
            "flows": self.flows.take(rows),
            "context": self.context[rows],
            "not_like": None,
            "not_like_context": None,
            "sha256": "",
        }
        return replace(like, **(given | more))  # type: ignore[arg-type]


def read_network(source: str, labels: str) -> Network:
    """A network from the names of its logs or recording, and of its labels."""
    parts = list(flows(open_sources([str(LAB / source)]), Context()))
    batch = concat([part for part, _ in parts])
    context = np.concatenate([known for _, known in parts])
    known = read_labels(LAB / labels)
    found = [known[uid] for uid in uid_texts(batch)]
    return Network(
        batch,
        context,
        encode(batch, context),
        np.array([label.family for label in found]),
        np.array([label.label != "malicious" for label in found]),
    )
