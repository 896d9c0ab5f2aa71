"""The names that exist in a network, and the questions its people ask."""

import ipaddress
import random

from tests.lab.spec import Network

_LABELS = ("www", "mail", "cdn", "img", "api", "login", "shop", "news", "static", "assets", "m")


def suffixes(network: Network) -> tuple[str, ...]:
    """All zones, the network's own first."""
    return (network.domain, *network.outside_names)


def zone_lines(network: Network) -> list[str]:
    """Lines of a dnsmasq configuration; any name they do not hold is NXDOMAIN."""
    tops = sorted({name.rsplit(".", 1)[1] for name in suffixes(network)} | {"net", "arpa"})
    lines = [f"local=/{top}/" for top in tops]
    lines += [f"host-record={host.fqdn},{host.addr}" for host in network.hosts if host.fqdn]
    web = network.having("browse")
    for n, suffix in enumerate(suffixes(network)):
        for m, label in enumerate(_LABELS):
            name, addr = f"{label}.{suffix}", web[(n + m) % len(web)].addr
            if all(host.fqdn != name for host in network.hosts):
                lines.append(f"host-record={name},{addr},fd00::{n:x}:{m + 1:x}")
        lines += [
            f"mx-host={suffix},mail.{suffix},10",
            f'txt-record={suffix},"v=spf1 a mx ip4:{web[0].addr} -all"',
            f"txt-record=_dmarc.{suffix},v=DMARC1; p=none; rua=mailto:post@{suffix}",
            f"srv-host=_ldap._tcp.{suffix},login.{suffix},389",
            f"cname=portal.{suffix},login.{suffix}",
        ]
    return lines


def question(network: Network, rng: random.Random) -> tuple[str, str]:
    """A random (name, type) as people and programs ask; one in ten does not exist."""
    kind = rng.choice((*network.record_types, "A", "A", "AAAA"))
    suffix = rng.choice(suffixes(network))
    named = [host for host in network.hosts if host.fqdn]
    if rng.random() < 0.1:
        return f"{rng.choice(_LABELS)}{rng.randrange(1000)}.{suffix}", kind
    if kind == "PTR":
        return ipaddress.ip_address(rng.choice(named).addr).reverse_pointer, kind
    special = {"MX": suffix, "NS": suffix, "SRV": f"_ldap._tcp.{suffix}"}
    special["TXT"] = rng.choice((suffix, f"_dmarc.{suffix}"))
    special["CNAME"] = f"portal.{suffix}"
    return special.get(kind, f"{rng.choice(_LABELS)}.{suffix}"), kind
