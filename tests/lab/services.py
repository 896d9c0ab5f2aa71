"""What clients and servers of one run share: the network, its sites, its users, a work folder."""

import random
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import topology
from tests.lab.content import Site
from tests.lab.spec import Host, Network


@dataclass(slots=True)
class Services:
    """Everything clients must know: sites by host name, users' passwords, key files.

    ``work`` is a scratch folder that every lab user may pass through but not list.
    """

    network: Network
    work: Path
    rng: random.Random
    sites: dict[str, Site] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)

    @property
    def logs(self) -> Path:
        """Folder of the servers' logs."""
        return self.work / "log"

    def key(self, user: str) -> Path:
        """A user's private ssh key."""
        return self.work / "keys" / user

    def namespace(self, host: Host) -> str:
        """The namespace of a host."""
        return topology.namespace(self.network, host.name)
