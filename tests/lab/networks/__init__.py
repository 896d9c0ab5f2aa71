"""The networks as data: same code, clearly different shapes and tools.

Addresses beyond the private ranges are those reserved for documentation (RFC 5737) or benchmarks
(RFC 2544). Every attack starts at a client that also makes benign traffic to other hosts, and
:func:`tests.lab.check.check` proves that the two addresses of a connection decide its label.
"""

from tests.lab.networks.branch import BRANCH
from tests.lab.networks.clinic import CLINIC
from tests.lab.networks.office import OFFICE
from tests.lab.networks.plant import PLANT

__all__ = ["NETWORKS"]

NETWORKS = {network.name: network for network in (OFFICE, BRANCH, CLINIC, PLANT)}
