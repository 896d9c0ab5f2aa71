"""Lines of logs, mutated: blindly, and with an eye for what a line is made of."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from tests.agent.sources.logs.samples import Line

VALUES: tuple[bytes, ...] = (
    *(
        b"null",
        b"true",
        b"-1",
        b"0",
        b"1.5",
        b"1e400",
        b"-1e400",
        b"9" * 19,
        b"9" * 30,
        b"9" * 6000,
    ),
    *(b"18446744073709551615", b"9223372036854775808", b"NaN", b"Infinity", b"-Infinity", b"-0"),
    *(
        b'""',
        b'"-"',
        b'"\\ud800"',
        b'"\\u0000"',
        b'"' + b"\xff\xfe" + b'"',
        b'"x' + b"y" * 5000 + b'"',
    ),
    *(
        b"[]",
        b"{}",
        b"[null]",
        b'["a",5]',
        b"[" * 3000 + b"]" * 3000,
        b'{"a":' * 2000,
        b'"\\x',
        b"",
    ),
    *(b'"2026-11-01T00:00:00Z"', b'"9999-99-99"', b"1795526784145", b"1e11", b"9.3e9", b'"::"'),
)
"""What may stand where a value of JSON stands."""

TEXTS: tuple[bytes, ...] = (
    *(
        b"",
        b"-",
        b"(empty)",
        b"nan",
        b"inf",
        b"-inf",
        b"1e999",
        b"1_0",
        b" 1",
        b"+1",
        b"T",
        b"F",
        b"tt",
    ),
    *(
        b"9" * 25,
        b"9" * 6000,
        b"-5",
        b"0x10",
        b"\\x",
        b"\\xff",
        b"\\x09",
        b"\\x2c,\\x",
        b"\xc3",
        b"\0",
    ),
    *(
        b",,,",
        b"{",
        b'{"uid":"C"}',
        b"#fields",
        b"\xd9\xa1\xd9\xa2",
        b"fe80::1%x",
        b"1.2.3.4.5",
        b"\r",
    ),
)
"""What may stand where a value of TSV stands."""

HEADERS: tuple[bytes, ...] = (
    *(
        b"#separator \\x09",
        b"#separator \\x7c",
        b"#separator",
        b"#separator \\xZZ",
        b"#separator  ",
    ),
    *(
        b"#fields",
        b"#fields\tts\tuid",
        b"#fields\tuid\tuid",
        b"#set_separator\t",
        b"#set_separator\t\\x7c",
    ),
    *(b"#unset_field\t", b"#empty_field\t-", b"#close\t2026", b"#", b"\xff#fields"),
)


def _flip(line: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(line))
    return line[:at] + bytes([line[at] ^ 1 << chance.randrange(8)]) + line[at + 1 :]


def _cut(line: bytes, chance: random.Random) -> bytes:
    return line[: chance.randrange(len(line))]


def _splice(line: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.randrange(len(line)) for _ in range(2))
    return line[:start] + line[end:] + line[start:end]


def _insert(line: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(line))
    what = (
        b"\0",
        b"\xff",
        b"\n",
        b"\r",
        b"\t",
        b'"',
        b"\\",
        b"{",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
    )
    return line[:at] + chance.choice(what) + line[at:]


BLIND: tuple[Callable[[bytes, random.Random], bytes], ...] = (_flip, _cut, _splice, _insert)


def json_line(line: Line, chance: random.Random) -> bytes:
    """A line of a JSON log, mutated or (one in six) whole."""
    whole = json.dumps(line).encode()
    kind = chance.randrange(6)
    if kind == 0:
        return whole
    if kind == 1:
        return chance.choice(BLIND)(whole, chance)
    items = [
        (json.dumps(name).encode(), json.dumps(value).encode()) for name, value in line.items()
    ]
    at = chance.randrange(len(items))
    if kind == 2:
        items[at] = items[at][0], chance.choice(VALUES)
    elif kind == 3:
        items.append((items[at][0], chance.choice(VALUES)))
    elif kind == 4:
        items[at] = items[at][0], items[chance.randrange(len(items))][1]
    else:
        items[at] = chance.choice((b'"id"', b"5", b'"x')), chance.choice(VALUES)
    return b"{" + b",".join(b":".join(item) for item in items) + b"}"


def tsv_line(line: bytes, head: list[bytes], chance: random.Random) -> bytes:
    """A line of a TSV log, mutated, with a header before it now and then."""
    kind = chance.randrange(60)
    if kind == 0:
        return chance.choice(HEADERS)
    if kind < 10:
        # Whatever a header above has broken, one that fits comes again.
        return b"\n".join([*head, line])
    if kind < 20:
        return chance.choice(BLIND)(line, chance)
    values: list[Any] = line.split(b"\t")
    at = chance.randrange(len(values))
    if kind < 40:
        values[at] = chance.choice(TEXTS)
    elif kind < 50:
        other = chance.randrange(len(values))
        values[at], values[other] = values[other], values[at]
    elif kind < 55:
        del values[at]
    return chance.choice((b"\t", b"\t", b"\t", b"|", b" ")).join(values)
