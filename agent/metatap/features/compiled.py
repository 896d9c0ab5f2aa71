"""The loops of the compiled encoder: numba compiles them when this is imported, in seconds.

Flows are taken in blocks whose rows of the matrix stay in the processor's nearest memory, so that
the matrix is written to memory once. Everything is computed in float64 and in the reference's order
of operations, then rounded to float32: both give the same bits.
"""

# ruff: noqa: C901, PLR0917 - a pass over flows is one loop; numba takes arrays one by one
# ruff: noqa: FURB110, FURB136, SIM110, FBT003 - NaN must pass; numba takes plain loops and values

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from metatap.compiling import OPTIONS, entry
from metatap.context import CONTEXT_NAMES, CONTEXT_WIDTH
from metatap.features import classes
from metatap.features.classes import MAGNITUDES
from metatap.features.table import INDEX, ORIG_LETTERS, TLS_FLAGS, WIDTH
from metatap.features.text import LOWER, SPLIT_MAX_BYTES, WORD_MAX, packed
from metatap.flow.schema import CONN_STATES, PROTOS, Group

COUNTS = (
    "orig_bytes", "resp_bytes", "missed_bytes", "orig_pkts", "resp_pkts",
    "orig_ip_bytes", "resp_ip_bytes",
    "dns.queries", "dns.query_bytes", "dns.answer_bytes", "dns.nxdomain", "dns.rare_qtypes",
    "dns.answers",
    "http.requests", "http.uri_bytes", "http.request_body_len", "http.response_body_len",
    "http.errors", "http.writes",
    "ssl.certs", "ssh.auth_attempts",
)  # fmt: skip
FLAGS = ("local_orig", "local_resp", "ssl.established", "ssl.resumed", "ssh.auth_success")
CODES = ("proto", "conn_state")
TEXTS = (
    "history", "service", "dns.query", "http.uri", "http.host", "http.user_agent",
    "ssl.server_name", "ssl.version",
)  # fmt: skip
GROUPS = (Group.DNS, Group.HTTP, Group.SSL, Group.SSH)
"""The columns of a batch that are read, by kind; the groups whose presence is a feature."""

_BLOCK = 256

_HISTORY, _SERVICE, _QUERY, _URI, _HOST, _AGENT, _NAME, _VERSION = range(len(TEXTS))
_DNS, _HTTP, _SSL, _SSH = range(len(GROUPS))
_CONN_COUNTS = _DNS_COUNTS = COUNTS.index("dns.queries")
_HTTP_COUNTS = COUNTS.index("http.requests")
_CERTS, _ATTEMPTS = COUNTS.index("ssl.certs"), COUNTS.index("ssh.auth_attempts")
_OF_GROUP = np.array([0, _DNS_COUNTS, _HTTP_COUNTS, _CERTS, _ATTEMPTS, len(COUNTS)])

_ICMP = PROTOS.index("icmp")
_PROTO_AT = np.array([INDEX.get(f"proto.{name}", -1) for name in PROTOS])
_STATE_AT = np.array([INDEX.get(f"conn_state.{name}", -1) for name in CONN_STATES])
_FLAGS_AT = np.array([INDEX[name] for name in FLAGS])
_HAS_AT = np.array([INDEX[f"has.{group}"] for group in GROUPS])

_SIZES_AT, _SHARES_AT = INDEX["duration"], INDEX["orig_byte_share"]
_HISTORY_AT, _LENGTH_AT = INDEX[f"history.orig.{ORIG_LETTERS[0]}"], INDEX["history.length"]
_FLIPPED_AT, _ONE_HOT_AT = INDEX["history.flipped"], INDEX[f"proto.{PROTOS[1]}"]
_SERVICE_AT, _PORT_AT = INDEX[f"service.{classes.SERVICE_FLAGS[0]}"], INDEX["resp_p.system"]
_DNS_AT, _DNS_SHARES_AT = INDEX["dns.queries"], INDEX["dns.nxdomain_share"]
_HTTP_AT, _HTTP_SHARES_AT = INDEX["http.requests"], INDEX["http.error_share"]
_HOST_AT, _NO_AGENT_AT = INDEX["http.host_is_ip"], INDEX["http.no_user_agent"]
_NAME_AT, _NO_NAME_AT = INDEX["ssl.server_name_length"], INDEX["ssl.no_server_name"]
_CERTS_AT, _TLS_AT = INDEX["ssl.certs"], INDEX["ssl.version.old"]
_ATTEMPTS_AT = INDEX["ssh.auth_attempts"]
_HAS_DURATION_AT, _HAS_BYTES_AT, _HAS_HISTORY_AT = (
    INDEX[f"has.{name}"] for name in ("duration", "bytes", "history")
)
_CONTEXT_AT, _CONTEXT_SHARES_AT = INDEX[CONTEXT_NAMES[0]], INDEX[CONTEXT_NAMES[MAGNITUDES]]
"""First column of each run of features that is written together; a test holds them to the table."""

_SERVICES, _TLS_FLAGS = len(classes.SERVICE_FLAGS), len(TLS_FLAGS)
_SERVICE_KEYS = np.array([packed(word) for word in classes.SERVICE_WORDS], np.uint64)
_SERVICE_TARGETS, _TLS_TARGETS = classes.SERVICE_TARGETS, classes.TLS_TARGETS
_TLS_KEYS = np.array([packed(word) for word in classes.TLS_WORDS], np.uint64)

_LANE, _LANE_MAX, _LANE_MASK = np.uint64(21), 1 << 20, np.uint64((1 << 21) - 1)
"""Three classes are counted in one sum, each in 21 bits of it, in parts of so many bytes."""


def _lanes(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    return np.array([1 << 21 * (code - 1) if code else 0 for code in codes.tolist()], np.uint64)


_NAME_CODES, _DIGIT_CODES = _lanes(classes.NAME_BYTES), _lanes(classes.DIGITS)
_HISTORY_CODES, _FOREIGN_CODES = classes.HISTORY, classes.NOT_ADDRESS
_HISTORY_CLASSES = classes.HISTORY_CLASSES
_COMMA, _DASH = ord(","), ord("-")

_inner: Callable[[Callable[..., Any]], Any] = numba.njit(**OPTIONS)
"""Part of an entry; cached with it."""


def _read(kind: Any, dimensions: int = 1) -> Any:
    return numba.types.Array(kind, dimensions, "C", readonly=True)


def _several(kind: Any, names: tuple[Any, ...]) -> Any:
    return numba.types.UniTuple(_read(kind), len(names))


@_inner
def _there(mask: Any, row: Any) -> Any:
    return len(mask) == 0 or mask[row]


@_inner
def _size(offsets: Any, row: Any) -> Any:
    return offsets[row + 1] - offsets[row]


@_inner
def _share(part: Any, whole: Any) -> Any:
    """As `encode._share`."""
    if whole == 0.0:
        return np.nan if np.isnan(part) else 0.0
    return part / whole


@_inner
def _at_most_1(value: Any) -> Any:
    return 1.0 if value > 1.0 else value


@_inner
def _at_least_1(value: Any) -> Any:
    return 1.0 if value < 1.0 else value


@_inner
def _numbers(values: Any, mask: Any, begin: Any, into: Any) -> None:
    """A column's rows from `begin` on as float64, NaN where absent."""
    if len(values) == 0:
        for at in range(len(into)):
            into[at] = np.nan
        return
    values = values[begin : begin + len(into)]
    if len(mask) == 0:
        for at in range(len(into)):
            into[at] = values[at]
        return
    mask = mask[begin : begin + len(into)]
    for at in range(len(into)):
        value = np.float64(values[at])
        into[at] = value if mask[at] else np.nan


@_inner
def _conn(number: Any, duration: Any, out: Any) -> None:
    for row in range(len(out)):
        seconds = duration[row] / 1e9
        orig, resp, missed = number[0, row], number[1, row], number[2, row]
        orig_pkts, resp_pkts = number[3, row], number[4, row]
        orig_ip, resp_ip = number[5, row], number[6, row]
        pkts = orig_pkts + resp_pkts
        out[row, _SIZES_AT] = seconds * 1e3
        out[row, _SIZES_AT + 1] = orig
        out[row, _SIZES_AT + 2] = resp
        out[row, _SIZES_AT + 3] = missed
        out[row, _SIZES_AT + 4] = orig_pkts
        out[row, _SIZES_AT + 5] = resp_pkts
        out[row, _SIZES_AT + 6] = orig_ip
        out[row, _SIZES_AT + 7] = resp_ip
        out[row, _SIZES_AT + 8] = _share(orig_ip, orig_pkts)
        out[row, _SIZES_AT + 9] = _share(resp_ip, resp_pkts)
        out[row, _SIZES_AT + 10] = seconds * 1e3 / _at_least_1(pkts - 1.0)
        out[row, _SIZES_AT + 11] = _share(orig_ip + resp_ip, seconds)
        out[row, _SHARES_AT] = _share(orig, orig + resp)
        out[row, _SHARES_AT + 1] = _share(orig_pkts, pkts)
        out[row, _SHARES_AT + 2] = _at_most_1(_share(orig, orig_ip))
        out[row, _SHARES_AT + 3] = _at_most_1(_share(resp, resp_ip))
        out[row, _HAS_DURATION_AT] = 0.0 if np.isnan(seconds) else 1.0
        out[row, _HAS_BYTES_AT] = 0.0 if np.isnan(orig) else 1.0


@_inner
def _transport(
    proto: Any, proto_mask: Any, state: Any, state_mask: Any, port: Any, port_mask: Any,
    begin: Any, out: Any,
) -> None:  # fmt: skip
    """The one-hot features and those of the port."""
    for at in range(len(out)):
        row = begin + at
        for column in range(_ONE_HOT_AT, _SERVICE_AT):
            out[at, column] = 0.0
        if len(proto) and _there(proto_mask, row) and proto[row] < len(_PROTO_AT):
            column = _PROTO_AT[proto[row]]
            if column >= 0:
                out[at, column] = 1.0
        if len(state) and _there(state_mask, row) and state[row] < len(_STATE_AT):
            out[at, _STATE_AT[state[row]]] = 1.0
        if len(port) and _there(port_mask, row) and not (len(proto) and proto[row] == _ICMP):
            out[at, _PORT_AT] = 1.0 if port[row] < 1024 else 0.0
            out[at, _PORT_AT + 1] = 1.0 if port[row] >= 49152 else 0.0


@_inner
def _history(data: Any, offsets: Any, mask: Any, begin: Any, counts: Any, out: Any) -> None:
    for at in range(len(out)):
        row = begin + at
        if len(offsets) == 0 or not _there(mask, row):
            out[at, _HAS_HISTORY_AT] = 0.0
            continue
        for code in range(_HISTORY_CLASSES + 1):
            counts[code] = 0
        for byte in data[offsets[row] : offsets[row + 1]]:
            counts[_HISTORY_CODES[byte]] += 1
        for code in range(1, _HISTORY_CLASSES):
            out[at, _HISTORY_AT + code - 1] = counts[code]
        out[at, _LENGTH_AT] = _size(offsets, row)
        out[at, _FLIPPED_AT] = 1.0 if counts[_HISTORY_CLASSES] else 0.0
        out[at, _HAS_HISTORY_AT] = 1.0


@_inner
def _word(data: Any, begin: Any, end: Any, keys: Any, lower: Any) -> Any:
    """Index in `keys` of the word, or their number: see `text.words`."""
    size = end - begin
    if 0 < size <= WORD_MAX:
        found = np.uint64(0)
        for at in range(size):
            byte = data[begin + at]
            if lower:
                byte = LOWER[byte]
            found |= np.uint64(byte if byte else 0xFF) << np.uint64(8 * at)
        for index in range(len(keys)):
            if keys[index] == found:
                return index
    return len(keys)


@_inner
def _service(data: Any, offsets: Any, begin: Any, out: Any) -> None:
    for at in range(len(out)):
        row = begin + at
        for column in range(_SERVICE_AT, _SERVICE_AT + _SERVICES):
            out[at, column] = 0.0
        if len(offsets) == 0 or _size(offsets, row) == 0:
            out[at, _SERVICE_AT + _SERVICES - 1] = 1.0
            continue
        start, last = offsets[row], offsets[row + 1]
        split = min(last, start + SPLIT_MAX_BYTES)
        byte = start
        while True:
            while byte < split and data[byte] != _COMMA:
                byte += 1
            stop = byte if byte < split else last
            while start < stop and data[start] == _DASH:
                start += 1
            word = _word(data, start, stop, _SERVICE_KEYS, True)
            out[at, _SERVICE_AT + _SERVICE_TARGETS[word]] = 1.0
            if byte >= split:
                break
            byte += 1
            start = byte


@_inner
def _count(packed_codes: Any, data: Any, offsets: Any, row: Any) -> Any:
    """Bytes of a string in each of three classes, see `_LANE`."""
    one = two = three = np.int64(0)
    for begin in range(offsets[row], offsets[row + 1], _LANE_MAX):
        found = np.uint64(0)
        for byte in data[begin : min(begin + _LANE_MAX, offsets[row + 1])]:
            found += packed_codes[byte]
        one += np.int64(found & _LANE_MASK)
        two += np.int64((found >> _LANE) & _LANE_MASK)
        three += np.int64(found >> (_LANE + _LANE))
    return np.float64(one), np.float64(two), np.float64(three)


@_inner
def _any(codes: Any, data: Any, offsets: Any, row: Any) -> Any:
    """Whether a string has a byte of a class."""
    for byte in data[offsets[row] : offsets[row + 1]]:
        if codes[byte]:
            return True
    return False


@_inner
def _dns(
    number: Any, duration: Any, data: Any, offsets: Any, mask: Any, has: Any, begin: Any, out: Any
) -> None:
    for at in range(len(out)):
        row = begin + at
        if not has[row]:
            continue
        queries = number[0, at]
        out[at, _DNS_AT] = queries
        out[at, _DNS_AT + 1] = _share(number[1, at], queries)
        out[at, _DNS_AT + 3] = _share(number[2, at], queries)
        out[at, _DNS_AT + 4] = queries / _at_least_1(duration[at] / 1e9)
        out[at, _DNS_SHARES_AT] = _share(number[3, at], queries)
        out[at, _DNS_SHARES_AT + 1] = _share(number[4, at], queries)
        answers = _share(number[5, at], queries)
        out[at, _DNS_SHARES_AT + 2] = 16.0 if answers > 16.0 else answers
        if len(offsets) and _there(mask, row):
            length = np.float64(_size(offsets, row))
            digits, vowels, rest = _count(_NAME_CODES, data, offsets, row)
            out[at, _DNS_AT + 2] = length
            out[at, _DNS_SHARES_AT + 3] = _share(digits, length)
            out[at, _DNS_SHARES_AT + 4] = _share(vowels, length)
            out[at, _DNS_SHARES_AT + 5] = _share(length - digits - vowels - rest, length)


@_inner
def _length(offsets: Any, mask: Any, row: Any) -> Any:
    if len(offsets) == 0 or not _there(mask, row):
        return 0.0
    return np.float64(_size(offsets, row))


@_inner
def _http(number: Any, agent_ends: Any, agent_mask: Any, has: Any, begin: Any, out: Any) -> None:
    for at in range(len(out)):
        if not has[begin + at]:
            continue
        requests = number[0, at]
        out[at, _HTTP_AT] = requests
        out[at, _HTTP_AT + 1] = _share(number[1, at], requests)
        out[at, _HTTP_AT + 2] = _share(number[2, at], requests)
        out[at, _HTTP_AT + 3] = _share(number[3, at], requests)
        out[at, _HTTP_SHARES_AT] = _share(number[4, at], requests)
        out[at, _HTTP_SHARES_AT + 1] = _share(number[5, at], requests)
        agent = _length(agent_ends, agent_mask, begin + at)
        out[at, _HTTP_AT + 4] = agent
        out[at, _NO_AGENT_AT] = 1.0 if agent == 0.0 else 0.0


@_inner
def _uri(data: Any, offsets: Any, mask: Any, begin: Any, out: Any) -> None:
    for at in range(len(out)):
        row = begin + at
        if len(offsets) and _there(mask, row):
            digits, _, _ = _count(_DIGIT_CODES, data, offsets, row)
            out[at, _HTTP_SHARES_AT + 2] = _share(digits, np.float64(_size(offsets, row)))


@_inner
def _host(data: Any, offsets: Any, mask: Any, begin: Any, out: Any) -> None:
    for at in range(len(out)):
        row = begin + at
        if len(offsets) and _there(mask, row):
            out[at, _HOST_AT] = 0.0 if _any(_FOREIGN_CODES, data, offsets, row) else 1.0


@_inner
def _ssl(
    certs: Any, name_ends: Any, name_mask: Any,
    version: Any, ends: Any, version_mask: Any, has: Any, begin: Any, out: Any,
) -> None:  # fmt: skip
    for at in range(len(out)):
        row = begin + at
        if not has[row]:
            continue
        out[at, _CERTS_AT] = certs[at]
        name = _length(name_ends, name_mask, row)
        out[at, _NAME_AT] = name
        out[at, _NO_NAME_AT] = 1.0 if name == 0.0 else 0.0
        if len(ends) and _there(version_mask, row):
            for column in range(_TLS_AT, _TLS_AT + _TLS_FLAGS):
                out[at, column] = 0.0
            word = _word(version, ends[row], ends[row + 1], _TLS_KEYS, False)
            if word < len(_TLS_KEYS):
                out[at, _TLS_AT + _TLS_TARGETS[word]] = 1.0


@_inner
def _column(values: Any, column: Any, out: Any) -> None:
    for at in range(len(out)):
        out[at, column] = values[at]


@_inner
def _nothing(out: Any) -> None:
    for at in range(len(out)):
        for column in range(WIDTH):
            out[at, column] = np.nan


@_inner
def _has(has: Any, begin: Any, column: Any, out: Any) -> Any:
    """A group's flag; whether any flow of the block has the group."""
    some = False
    for at in range(len(out)):
        there = len(has) > 0 and has[begin + at]
        some |= there
        out[at, column] = 1.0 if there else 0.0
    return some


@_inner
def _context(context: Any, begin: Any, out: Any) -> None:
    for at in range(len(out)):
        row = begin + at
        for column in range(MAGNITUDES):
            out[at, _CONTEXT_AT + column] = context[row, column]
        for column in range(MAGNITUDES, CONTEXT_WIDTH):
            out[at, _CONTEXT_SHARES_AT - MAGNITUDES + column] = context[row, column]


@_inner
def _orderly(data: Any, offsets: Any) -> Any:
    """Whether all strings lie within their bytes."""
    if len(offsets) == 0:
        return True
    sound = offsets[0] >= 0 and offsets[-1] <= len(data)
    for row in range(len(offsets) - 1):
        sound &= offsets[row] <= offsets[row + 1]
    return sound


@entry(
    numba.intp(
        _several(numba.uint64, COUNTS), _several(numba.boolean, COUNTS),
        _several(numba.boolean, FLAGS), _several(numba.boolean, FLAGS),
        _several(numba.uint8, CODES), _several(numba.boolean, CODES),
        _several(numba.uint8, TEXTS), _several(numba.int64, TEXTS), _several(numba.boolean, TEXTS),
        _several(numba.boolean, GROUPS),
        _read(numba.int64), _read(numba.boolean), _read(numba.uint16), _read(numba.boolean),
        _read(numba.float32, 2), numba.types.Array(numba.float32, 2, "C"),
    )
)  # fmt: skip
def encode_rows(
    counts: Any, count_masks: Any, flags: Any, flag_masks: Any, codes: Any, code_masks: Any,
    texts: Any, offsets: Any, text_masks: Any, groups: Any,
    duration: Any, duration_mask: Any, port: Any, port_mask: Any, context: Any, matrix: Any,
) -> Any:  # fmt: skip
    """As `encode.encode`, into `matrix`; an absent column is empty, so is a group nobody has.

    A flow without a group has none of its columns.

    Returns:
        The number of the string column that is not in order, −1 if all are.
    """
    for text in range(len(texts)):
        if not _orderly(texts[text], offsets[text]):
            return text
    number = np.empty((len(counts), _BLOCK))
    lasted, flag = np.empty(_BLOCK), np.empty(_BLOCK)
    letters = np.zeros(_HISTORY_CLASSES + 1, np.int64)
    dns, http, ssl, ssh = groups
    history, history_ends, history_mask = texts[_HISTORY], offsets[_HISTORY], text_masks[_HISTORY]
    service, service_ends = texts[_SERVICE], offsets[_SERVICE]
    query, query_ends, query_mask = texts[_QUERY], offsets[_QUERY], text_masks[_QUERY]
    uri, uri_ends, uri_mask = texts[_URI], offsets[_URI], text_masks[_URI]
    host, host_ends, host_mask = texts[_HOST], offsets[_HOST], text_masks[_HOST]
    agent_ends, agent_mask = offsets[_AGENT], text_masks[_AGENT]
    name_ends, name_mask = offsets[_NAME], text_masks[_NAME]
    version, version_ends, version_mask = texts[_VERSION], offsets[_VERSION], text_masks[_VERSION]
    proto, state, proto_mask, state_mask = codes[0], codes[1], code_masks[0], code_masks[1]
    for begin in range(0, len(matrix), _BLOCK):
        out = matrix[begin : begin + _BLOCK]
        rows = len(out)
        _nothing(out)
        has_dns = _has(dns, begin, _HAS_AT[_DNS], out)
        has_http = _has(http, begin, _HAS_AT[_HTTP], out)
        has_ssl = _has(ssl, begin, _HAS_AT[_SSL], out)
        has_ssh = _has(ssh, begin, _HAS_AT[_SSH], out)
        some = (True, has_dns, has_http, has_ssl, has_ssh)
        for group in range(len(some)):
            if some[group]:
                for at in range(_OF_GROUP[group], _OF_GROUP[group + 1]):
                    _numbers(counts[at], count_masks[at], begin, number[at, :rows])
        _numbers(duration, duration_mask, begin, lasted[:rows])
        _conn(number, lasted, out)
        _transport(proto, proto_mask, state, state_mask, port, port_mask, begin, out)
        _history(history, history_ends, history_mask, begin, letters, out)
        _service(service, service_ends, begin, out)
        for at in range(len(flags)):
            _numbers(flags[at], flag_masks[at], begin, flag[:rows])
            _column(flag, _FLAGS_AT[at], out)
        if has_dns:
            of_dns = number[_DNS_COUNTS:_HTTP_COUNTS]
            _dns(of_dns, lasted, query, query_ends, query_mask, dns, begin, out)
        if has_http:
            _http(number[_HTTP_COUNTS:_CERTS], agent_ends, agent_mask, http, begin, out)
            _uri(uri, uri_ends, uri_mask, begin, out)
            _host(host, host_ends, host_mask, begin, out)
        if has_ssl:
            _ssl(
                number[_CERTS], name_ends, name_mask,
                version, version_ends, version_mask, ssl, begin, out,
            )  # fmt: skip
        if has_ssh:
            _column(number[_ATTEMPTS], _ATTEMPTS_AT, out)
        if len(context):
            _context(context, begin, out)
    return -1
