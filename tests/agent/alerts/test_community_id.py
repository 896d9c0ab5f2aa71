"""metatap.alerts.community_id."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from metatap.alerts import community_id, flow_community_id

SHARED = Path(__file__).parents[4] / "shared" / "flows"

PUBLISHED = """
58 fe80::200:86ff:fe05:80da fe80::260:97ff:fe07:69ea 135 136 dGHyGvjMfljg6Bppwm3bg0LO8TY=
58 3ffe:501:1800:2345::2 3ffe:507:0:1:200:86ff:fe05:80da 3 0 2ObVBgIn28oZvibYZhZMBgh7WdQ=
58 3ffe:501:410:0:2c0:dfff:fe47:33e 3ffe:507:0:1:200:86ff:fe05:80da 1 4 hLZd0XGWojozrvxqE0dWB1iM6R0=
58 3ffe:507:0:1:200:86ff:fe05:80da 3ffe:501:0:1001::2 128 129 +TW+HtLHvV1xnGhV1lv7XoJrqQg=
1 192.168.0.89 192.168.0.1 8 0 X0snYXpgwiv9TZtqg64sgzUn6Dk=
1 192.168.0.1 192.168.0.89 0 8 X0snYXpgwiv9TZtqg64sgzUn6Dk=
1 10.0.0.1 10.0.0.2 11 0 YHxtAirCG//0OzkcVAukqKQN9xM=
6 2607:f8b0:400c:c03::1a 2001:470:e5bf:dead:4957:2174:e82c:4887 25 63943 /qFaeAR+gFe1KYjMzVDsMv+wgU4=
132 192.168.170.8 192.168.170.56 7 7 MP2EtRCAUIZvTw6MxJHLV7N7JDs=
6 128.232.110.120 66.35.250.204 34855 80 LQU9qZlK+B5F3KDmev6m5PMibrg=
6 66.35.250.204 128.232.110.120 80 34855 LQU9qZlK+B5F3KDmev6m5PMibrg=
17 192.168.1.52 8.8.8.8 54585 53 d/FP5EW3wiY1vCndhwleRRKHowQ=
46 10.1.12.1 10.1.12.2 0 0 KHlLkgoJW7ifUTyTSgyVfkFHzKw=
"""  # noqa: E501 - a line an example
"""Protocol, addresses, ports, digest: from the `baseline` folder of
github.com/corelight/community-id-spec, seed 0."""


@pytest.mark.parametrize("example", PUBLISHED.split("\n")[1:-1])
def test_published_examples(example: str) -> None:
    """The specification's own examples, both directions and both families."""
    protocol, source, destination, sport, dport, digest = example.split()
    got = community_id(source, destination, int(sport), int(dport), int(protocol))
    assert got == f"1:{digest}"


def test_the_seed_changes_the_id() -> None:
    """The specification's examples with seed 1."""
    got = community_id("192.168.1.52", "8.8.8.8", 54585, 53, 17, seed=1)
    assert got == "1:Q9We8WO3piVF8yEQBNJF4uiSVrI="


def test_icmp_code_and_answer_are_the_same() -> None:
    """A request and its answer, and `id.resp_p` as code or as the answer's type, have one id."""
    one = community_id("10.0.0.1", "10.0.0.2", 8, 0, 1)
    assert one == community_id("10.0.0.2", "10.0.0.1", 0, 8, 1)
    assert one == community_id("10.0.0.1", "10.0.0.2", 8, 5, 1)


def test_a_host_that_talks_to_itself_has_zeeks_id() -> None:
    """Zeek 8.0 orders equal addresses by byte-swapped ports; an alert must lead to its conn.log."""
    row = {
        "id.orig_h": "127.0.0.1",
        "id.orig_p": 32795,
        "id.resp_h": "127.0.0.1",
        "id.resp_p": 123,
        "proto": "udp",
    }
    assert flow_community_id(row) == "1:1XI+6qk+q9I9sS/0k1sFsbHBeMM="
    assert community_id("127.0.0.1", "127.0.0.1", 32795, 123, 17) != flow_community_id(row)


@pytest.mark.parametrize("lack", ["id.orig_h", "id.resp_h", "proto"])
def test_what_can_not_be_known_is_empty(lack: str) -> None:
    """Without an address or a known transport there is no id."""
    row = {"id.orig_h": "10.0.0.1", "id.resp_h": "10.0.0.2", "proto": "tcp"}
    assert flow_community_id(row)
    assert flow_community_id({k: v for k, v in row.items() if k != lack}) == ""
    assert flow_community_id(row | {"proto": "unknown_transport"}) == ""


@pytest.mark.parametrize("text", ["", "10.0.0", "fe80::1::2", "host"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """By name."""
    with pytest.raises(ValueError, match="is not an address"):
        community_id(text, "10.0.0.1", 1, 2, 6)


@pytest.mark.untraced
@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="no labelled flows here")
def test_every_id_zeek_logged() -> None:
    """All ids in the labelled flows are Zeek's, but where conn.log does not tell the protocol."""
    compared = 0
    for path in sorted(SHARED.glob("*/conn.jsonl.gz")):
        with gzip.open(path, "rt") as file:
            for line in file:
                row = json.loads(line)
                if "community_id" in row and row["proto"] != "unknown_transport":
                    assert flow_community_id(row) == row["community_id"], row
                    compared += 1
    assert compared > 10_000
