"""FlowBatch → feature matrix. The same code in training and serving; no per-flow Python."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metatap.context import CONTEXT_NAMES
from metatap.features import classes, table, text
from metatap.features.columns import has_group
from metatap.features.table import INDEX, WIDTH
from metatap.flow import FlowBatch, Group, Numeric, Strings
from metatap.flow.schema import CONN_STATES, PROTOS

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]


def encode(batch: FlowBatch, context: FloatArray | None = None) -> FloatArray:
    """The feature matrix of a batch.

    Args:
        batch: n flows.
        context: float32 [n, C] of the same flows, as `Context.update` gives it; None: not known.

    Returns:
        float32 [n, F], C-contiguous, columns as in `table.FEATURES`; NaN where absent.
    """
    out = _Matrix(batch)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        _sizes(out)
        _history(out)
        _transport(out)
        _services(out)
        _dns(out)
        _http(out)
        _ssl(out)
        _ssh(out)
    _context(out, context)
    return out.matrix


class _Matrix:
    """The matrix being filled and typed access to the batch's columns."""

    def __init__(self, batch: FlowBatch) -> None:
        self.batch = batch
        self.matrix: FloatArray = np.full((batch.rows, WIDTH), np.nan, np.float32)

    def put(self, name: str, values: npt.ArrayLike) -> None:
        self.matrix[:, INDEX[name]] = values

    def has(self, group: Group) -> npt.NDArray[np.bool_]:
        """bool [n], the flow has this protocol's summary (its first required or any column)."""
        found = has_group(self.batch, group)
        return np.zeros(self.batch.rows, np.bool_) if found is None else found

    def number(self, name: str) -> Float64Array:
        """float64 [n] of a numeric column, NaN where absent."""
        column = self.batch.numeric(name)
        if column is None:
            return np.full(self.batch.rows, np.nan)
        return _floats(column)

    def strings(self, name: str) -> Strings | None:
        return self.batch.strings(name)

    def length(self, name: str) -> Float64Array:
        """float64 [n], bytes of a string column, 0 where absent."""
        column = self.batch.strings(name)
        if column is None:
            return np.zeros(self.batch.rows)
        return np.where(column.mask(), column.lengths(), 0.0)


def _floats(column: Numeric) -> Float64Array:
    values = column.values.astype(np.float64)
    if column.valid is not None:
        values[~column.valid] = np.nan
    return values


def _share(part: Float64Array, whole: Float64Array) -> Float64Array:
    """part / whole, 0 where the whole is 0, NaN where either is absent."""
    return np.where(whole == 0, np.where(np.isnan(part), np.nan, 0.0), part / whole)


def _sizes(out: _Matrix) -> None:
    seconds = out.number("duration") / 1e9
    orig, resp = out.number("orig_bytes"), out.number("resp_bytes")
    orig_pkts, resp_pkts = out.number("orig_pkts"), out.number("resp_pkts")
    orig_ip, resp_ip = out.number("orig_ip_bytes"), out.number("resp_ip_bytes")
    pkts = orig_pkts + resp_pkts
    out.put("duration", seconds * 1e3)
    out.put("orig_bytes", orig)
    out.put("resp_bytes", resp)
    out.put("missed_bytes", out.number("missed_bytes"))
    out.put("orig_pkts", orig_pkts)
    out.put("resp_pkts", resp_pkts)
    out.put("orig_ip_bytes", orig_ip)
    out.put("resp_ip_bytes", resp_ip)
    out.put("orig_pkt_size", _share(orig_ip, orig_pkts))
    out.put("resp_pkt_size", _share(resp_ip, resp_pkts))
    out.put("pkt_interval", seconds * 1e3 / np.maximum(pkts - 1, 1))
    out.put("byte_rate", _share(orig_ip + resp_ip, seconds))
    out.put("orig_byte_share", _share(orig, orig + resp))
    out.put("orig_pkt_share", _share(orig_pkts, pkts))
    out.put("orig_payload_share", np.minimum(_share(orig, orig_ip), 1.0))
    out.put("resp_payload_share", np.minimum(_share(resp, resp_ip), 1.0))
    out.put("has.duration", ~np.isnan(seconds))
    out.put("has.bytes", ~np.isnan(orig))


def _history(out: _Matrix) -> None:
    column = out.strings("history")
    if column is None:
        out.put("has.history", 0.0)
        return
    counts = text.class_counts(column, classes.HISTORY, classes.HISTORY_CLASSES)
    known = column.mask()
    counts[~known] = np.nan
    letters = len(table.ORIG_LETTERS)
    first = INDEX[f"history.orig.{table.ORIG_LETTERS[0]}"]
    out.matrix[:, first : first + 2 * letters + 2] = counts[:, : 2 * letters + 2]
    out.put("history.length", np.where(known, column.lengths(), np.nan))
    out.put("history.flipped", np.minimum(counts[:, -1], 1.0))
    out.put("has.history", known)


def _one_hot(out: _Matrix, name: str, prefix: str, vocabulary: tuple[str, ...]) -> None:
    """Flags of an enumeration, 0 for all where absent; values without a feature set none."""
    column = out.batch.numeric(name)
    for code, value in enumerate(vocabulary):
        feature = f"{prefix}.{value}"
        if feature in INDEX:
            is_it = 0.0 if column is None else (column.values == code) & column.mask()
            out.put(feature, is_it)


def _transport(out: _Matrix) -> None:
    _one_hot(out, "proto", "proto", PROTOS)
    _one_hot(out, "conn_state", "conn_state", CONN_STATES)
    port = out.number("id.resp_p")
    proto = out.batch.numeric("proto")
    if proto is not None:
        port[proto.values == PROTOS.index("icmp")] = np.nan
    out.put("resp_p.system", np.where(np.isnan(port), np.nan, port < 1024))
    out.put("resp_p.dynamic", np.where(np.isnan(port), np.nan, port >= 49152))
    out.put("local_orig", out.number("local_orig"))
    out.put("local_resp", out.number("local_resp"))


def _services(out: _Matrix) -> None:
    first = INDEX[f"service.{table.SERVICES[0]}"]
    flags = np.zeros((out.batch.rows, len(classes.SERVICE_FLAGS)), np.float32)
    flags[:, -1] = 1.0
    column = out.strings("service")
    if column is not None:
        flags[:, -1] = column.lengths() == 0
        rows, index = text.words(
            column, classes.SERVICE_WORDS, separator=b",", strip=b"-", lower=True
        )
        flags[rows, classes.SERVICE_TARGETS[index]] = 1.0
    out.matrix[:, first : first + len(classes.SERVICE_FLAGS)] = flags


def _dns(out: _Matrix) -> None:
    has = out.has(Group.DNS)
    out.put("has.dns", has)
    if not has.any():
        return
    queries = out.number("dns.queries")
    seconds = out.number("duration") / 1e9
    out.put("dns.queries", queries)
    out.put("dns.query_mean", _share(out.number("dns.query_bytes"), queries))
    out.put("dns.answer_mean", _share(out.number("dns.answer_bytes"), queries))
    out.put("dns.rate", queries / np.maximum(seconds, 1.0))
    out.put("dns.nxdomain_share", _share(out.number("dns.nxdomain"), queries))
    out.put("dns.rare_qtype_share", _share(out.number("dns.rare_qtypes"), queries))
    out.put("dns.answers_mean", np.minimum(_share(out.number("dns.answers"), queries), 16.0))
    name = out.strings("dns.query")
    if name is None:
        return
    length = np.where(name.mask(), name.lengths(), np.nan).astype(np.float64)
    digits, vowels, rest = text.class_counts(name, classes.NAME_BYTES, 3).T
    out.put("dns.query_longest", length)
    out.put("dns.query_digit_share", _share(digits, length))
    out.put("dns.query_vowel_share", _share(vowels, length))
    out.put("dns.query_odd_share", _share(length - digits - vowels - rest, length))


def _http(out: _Matrix) -> None:
    has = out.has(Group.HTTP)
    out.put("has.http", has)
    if not has.any():
        return
    requests = out.number("http.requests")
    out.put("http.requests", requests)
    out.put("http.uri_mean", _share(out.number("http.uri_bytes"), requests))
    out.put("http.request_body_mean", _share(out.number("http.request_body_len"), requests))
    out.put("http.response_body_mean", _share(out.number("http.response_body_len"), requests))
    out.put("http.error_share", _share(out.number("http.errors"), requests))
    out.put("http.write_share", _share(out.number("http.writes"), requests))
    agent = out.length("http.user_agent")
    out.put("http.user_agent_length", np.where(has, agent, np.nan))
    out.put("http.no_user_agent", np.where(has, agent == 0, np.nan))
    uri = out.strings("http.uri")
    if uri is not None:
        digits = text.class_counts(uri, classes.DIGITS, 1)[:, 0]
        length = np.where(uri.mask(), uri.lengths(), np.nan).astype(np.float64)
        out.put("http.uri_digit_share", _share(digits, length))
    host = out.strings("http.host")
    if host is not None:
        foreign = text.class_counts(host, classes.NOT_ADDRESS, 1)[:, 0]
        out.put("http.host_is_ip", np.where(host.mask(), foreign == 0, np.nan))


def _ssl(out: _Matrix) -> None:
    has = out.has(Group.SSL)
    out.put("has.ssl", has)
    if not has.any():
        return
    name = out.length("ssl.server_name")
    out.put("ssl.server_name_length", np.where(has, name, np.nan))
    out.put("ssl.no_server_name", np.where(has, name == 0, np.nan))
    out.put("ssl.certs", out.number("ssl.certs"))
    out.put("ssl.established", out.number("ssl.established"))
    out.put("ssl.resumed", out.number("ssl.resumed"))
    version = out.strings("ssl.version")
    if version is not None:
        rows = np.zeros((out.batch.rows, len(table.TLS_FLAGS)), np.float32)
        at, index = text.words(version, classes.TLS_WORDS)
        rows[at[index >= 0], classes.TLS_TARGETS[index[index >= 0]]] = 1.0
        rows[~version.mask()] = np.nan
        first = INDEX[f"ssl.version.{table.TLS_FLAGS[0]}"]
        out.matrix[:, first : first + len(table.TLS_FLAGS)] = rows


def _ssh(out: _Matrix) -> None:
    has = out.has(Group.SSH)
    out.put("has.ssh", has)
    if has.any():
        out.put("ssh.auth_attempts", out.number("ssh.auth_attempts"))
        out.put("ssh.auth_success", out.number("ssh.auth_success"))


def _context(out: _Matrix, context: FloatArray | None) -> None:
    if context is None:
        return
    cut = classes.MAGNITUDES
    for first, part in ((0, context[:, :cut]), (cut, context[:, cut:])):
        at = INDEX[CONTEXT_NAMES[first]]
        out.matrix[:, at : at + part.shape[1]] = part
