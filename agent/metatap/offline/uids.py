"""The uids of a batch as text that any file can hold."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from metatap.flow import FlowBatch, Strings

_ASCII = 128


def uid_column(batch: FlowBatch) -> Strings:
    r"""The uid of each of n flows as UTF-8: empty where absent, a byte that is none as `\xNN`."""
    column = batch.strings("uid")
    if column is None:
        return Strings(np.zeros(batch.rows + 1, np.int64), np.zeros(0, np.uint8))
    first, last = int(column.offsets[0]), int(column.offsets[-1])
    data = column.data[first:last]
    if column.valid is not None and bool((column.lengths()[~column.valid] > 0).any()):
        return _cleaned(column)
    if len(data) and int(data.max()) >= _ASCII:
        return _cleaned(column)
    return Strings(column.offsets - first, data)


def uid_texts(batch: FlowBatch) -> list[str]:
    """The same as one text a flow."""
    column = uid_column(batch)
    data = column.data.tobytes()
    ends = column.offsets.tolist()
    if data.isascii():
        text = data.decode("ascii")
        return [text[a:b] for a, b in pairwise(ends)]
    return [data[a:b].decode() for a, b in pairwise(ends)]


def _cleaned(column: Strings) -> Strings:
    texts = [
        (column.item(row) or b"").decode("utf-8", "backslashreplace").encode()
        for row in range(len(column))
    ]
    return Strings(Strings.from_items(texts).offsets, np.frombuffer(b"".join(texts), np.uint8))
