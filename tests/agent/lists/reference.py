"""Matching one flow with one rule, slowly and by the words of docs/lists.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Any

from metatap.lists.rule import Domain, ListRule, Network


def first(
    rules: Sequence[ListRule], flow: Mapping[str, Any], pack: str, now: int = 0
) -> ListRule | None:
    """The first rule that matches, None if there is none."""
    return next((rule for rule in rules if matches(rule, flow, pack, now)), None)


def matches(rule: ListRule, flow: Mapping[str, Any], pack: str, now: int = 0) -> bool:
    """Whether all criteria that have values are met by one of them."""
    if rule.expires is not None and now >= rule.expires:
        return False
    orig, resp = flow.get("id.orig_h"), flow.get("id.resp_h")
    asked = [
        (rule.orig, any(_in(orig, network) for network in rule.orig)),
        (rule.resp, any(_in(resp, network) for network in rule.resp)),
        (rule.host, any(_in(one, network) for one in (orig, resp) for network in rule.host)),
        (rule.domain, any(_named(flow, domain) for domain in rule.domain)),
        (rule.port, any(first <= _port(flow) <= last for first, last in rule.port)),
        (rule.proto, flow.get("proto") in rule.proto),
        (rule.service, bool(set(flow.get("service", "").lower().split(",")) & {*rule.service})),
        (rule.pack, pack in rule.pack),
    ]
    return all(is_met for values, is_met in asked if values)


def _in(text: str | None, network: Network) -> bool:
    if text is None:
        return False
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return address in network


def _port(flow: Mapping[str, Any]) -> int:
    port = flow.get("id.resp_p")
    return -1 if port is None or flow.get("proto") == "icmp" else int(port)


def _named(flow: Mapping[str, Any], domain: Domain) -> bool:
    names = [flow.get("dns.query"), flow.get("http.host"), flow.get("ssl.server_name")]
    if names[1] and ":" in names[1] and names[1].split(":")[-1].isdecimal():
        names[1] = names[1][: names[1].rindex(":")]
    for name in names:
        if not name:
            continue
        folded = name.lower().removesuffix(".")
        known = domain.name.decode()
        if folded.endswith("." + known) if domain.below else folded == known:
            return True
    return False
