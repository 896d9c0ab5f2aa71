"""Sound YAML documents of every kind the agent reads, and edits that break them."""

from __future__ import annotations

import random

from metatap.features import NAMES

PACK = """\
pack: 1
id: ssh-bruteforce
name: SSH brute force
description: Password guessing against an SSH server.
author: metatap
created: 2026-11-24
severity: high
attack: [T1110.001]
references: [https://attack.mitre.org/techniques/T1110/001/]
flows:
  - {uid: C1, id.orig_h: 10.0.0.1, id.orig_p: 40000, id.resp_h: 10.0.0.2, id.resp_p: 22, proto: tcp,
     service: ssh, duration: 2.1, orig_bytes: 2000, conn_state: SF, ssh.auth_success: false}
  - {uid: C2, ts: 1700000000.123456789, id.orig_h: 2001:db8::1, proto: tcp, missed_bytes: ~}
not_like: []
"""

LIST = """\
list: 1
rules:
  - id: nas-backup
    reason: Nightly backup of the file server.
    orig: [10.1.0.0/16, 2001:db8::/32]
    resp: 10.2.0.9
    domain: ["*.example.com", example.org]
    port: [443, 8000-8010]
    proto: tcp
    service: [ssl, http]
    pack: [exfiltration, dns-tunnel]
    expires: 2026-12-01T10:00:00+02:00
  - {host: 192.0.2.7, reason: The scanner of the house.}
"""

CONFIG = """\
sensor: tap-1
sources:
  - url: zeek+tcp://127.0.0.1:5555
    options: {join_s: 5}
packs: packs
lists: lists
trust: {unsigned: warn}
detector: {threads: 2, batch_rows: 4096, false_positive_rate: 1.0e-4}
adaptation:
  background: 2048
alerts_per_day: 20
alerts: {window: 300, max_open: 1000}
sinks:
  - {type: file, path: alerts.jsonl, min_severity: high}
  - {type: syslog, host: siem.example.org, transport: tls, format: cef, levels: {high: 2}}
  - type: elasticsearch
    url: https://siem.example.org:9200
    user: metatap
    password_file: password
log: {level: info, format: json}
metrics: {listen: ":9650"}
status_interval: 60
"""

CLASSIFIER = f"""\
classifier: 1
name: office-classifier
version: "1.0"
author: lab
created: 2026-11-24
features: [{", ".join(NAMES[:6])}]
classes:
  - benign
  - {{id: scan, severity: high, threshold: 0.5, attack: [T1046]}}
"""

DOCUMENTS = {"pack": PACK, "list": LIST, "config": CONFIG, "classifier": CLASSIFIER}
"""Kind → a sound document of it."""

PIECES = (
    *("[", "]", "{", "}", ": ", "- ", "? ", "| ", "> ", "#", "'", '"', "\n", "\t", "---\n", "..."),
    *("&a ", "*a", "<<: *a", "!x ", "!!binary /w==", "!!python/object:os.system ", "%YAML 1.1\n"),
    *("[" * 20, "{a: " * 20, "- " * 20, "[[[[[[[", "&a [*a,*a]", "- &b [*a,*a,*a]\n"),
    *("~", "true", "no", "0", "-1", "1e308", "1e999", ".nan", ".inf", "9" * 40, "0x10", "1_0"),
    *("2026-13-40", "9999-12-31", "0001-01-01", "::1/129", "10.0.0.0/33", "1.2.3.4/8", "65536"),
    *("\0", "\x85", "\u2028", "\ufeff", "\ud800", "\U0001f600", "x" * 500, "a: 1\n" * 50),
    *("[" + "0, " * 300 + "0]", "{" + ", ".join(f"k{at}: 1" for at in range(100)) + "}"),
)
"""What is put in: what YAML is made of, what could grow, and values at which something tips."""


def mutated(text: str, chance: random.Random) -> bytes:
    """A document with one to four edits; one in thirty is as it was."""
    content = text.encode()
    if chance.randrange(30) == 0:
        return content
    for _ in range(chance.choice((1, 1, 1, 2, 3, 4))):
        content = chance.choice(_EDITS)(content, chance)
    return content


def _piece(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content) + 1)
    return content[:at] + _some(chance) + content[at:]


def _value(content: bytes, chance: random.Random) -> bytes:
    """What stands behind a key, replaced."""
    at = content.find(b": ", chance.randrange(len(content) + 1))
    if at < 0:
        return content
    ends = (content.find(end, at + 2) for end in (b"\n", b",", b"}"))
    end = min((found for found in ends if found >= 0), default=len(content))
    return content[: at + 2] + _some(chance) + content[end:]


def _key(content: bytes, chance: random.Random) -> bytes:
    """A line, moved or given twice."""
    lines = content.split(b"\n")
    line = lines[chance.randrange(len(lines))]
    lines.insert(chance.randrange(len(lines) + 1), line)
    return b"\n".join(lines)


def _without(content: bytes, chance: random.Random) -> bytes:
    lines = content.split(b"\n")
    del lines[chance.randrange(len(lines))]
    return b"\n".join(lines)


def _indented(content: bytes, chance: random.Random) -> bytes:
    lines = content.split(b"\n")
    at = chance.randrange(len(lines))
    lines[at] = chance.choice((b" " + lines[at], b"  " + lines[at], lines[at].lstrip()))
    return b"\n".join(lines)


def _cut(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content) + 1)
    return content[:start] + content[start + chance.choice((1, 2, 10, 10_000)) :]


def _byte(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content) + 1)
    return content[:at] + chance.randbytes(1) + content[at + 1 :]


def _some(chance: random.Random) -> bytes:
    return chance.choice(PIECES).encode("utf-8", "surrogatepass")


_EDITS = (_piece, _piece, _value, _value, _value, _key, _without, _indented, _cut, _byte)
