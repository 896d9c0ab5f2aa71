"""Refuses a table whose labels could be ambiguous or whose habits would find no server."""

from tests.lab.attacks import TOOLS
from tests.lab.benign import ACTIONS, GOES_TO
from tests.lab.spec import Network


def check(network: Network) -> None:
    """Check a network's table.

    Raises:
        ValueError: two attacks that the tap sees from one source share a target; a habit's
            action or an attack's tool is unknown, or nobody has the habit's role; a client may
            go to no server that its habit needs, since attacks from its address go to all.
    """
    pairs = [
        (network.seen_as(attack.source), target)
        for attack in network.attacks
        for target in attack.targets
    ]
    if len(pairs) != len(set(pairs)):
        raise ValueError(f"two attacks of network {network.name} share source and target")
    for attack in network.attacks:
        if attack.tool not in TOOLS[type(attack)]:
            raise ValueError(f"network {network.name}: no {attack.family} by {attack.tool}")
    for habit in network.habits:
        clients = network.having(habit.role)
        if habit.action not in ACTIONS or not clients:
            raise ValueError(f"network {network.name}: nobody does {habit.action}")
        for client in clients:
            if not network.open_to(client, GOES_TO[habit.action]):
                raise ValueError(f"{client.name} has no server for {habit.action}")
