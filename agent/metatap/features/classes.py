"""Which bytes of a string count as what, which words set which flag, which context is what."""

from __future__ import annotations

import numpy as np

from metatap.context import CONTEXT_FEATURES
from metatap.features import table, text

_RETRANSMITTED = b"Tt"
_ODD = b"GgIiQqWw"
HISTORY = text.byte_classes(
    *(bytes([letter]) for letter in table.ORIG_LETTERS.encode()),
    *(bytes([letter]) for letter in table.ORIG_LETTERS.lower().encode()),
    _RETRANSMITTED,
    _ODD,
    b"^",
)
"""Of `history`: the letters counted per direction, retransmissions, odd packets, the flip."""

HISTORY_CLASSES = 2 * len(table.ORIG_LETTERS) + 3

NAME_BYTES = text.byte_classes(
    b"0123456789", b"aeiouAEIOU", b"bcdfghjklmnpqrstvwxyzBCDFGHJKLMNPQRSTVWXYZ-._"
)
"""Of a DNS name: digits, vowels, the rest of what host names are made of."""

DIGITS = text.byte_classes(b"0123456789")

NOT_ADDRESS = text.byte_classes(bytes(b for b in range(256) if b not in b"0123456789.:[]"))

SERVICE_FLAGS = (*table.SERVICES, "other", "none")

_WORDS = {name: name for name in SERVICE_FLAGS} | table.SERVICE_ALIASES

SERVICE_WORDS = [word.encode() for word in _WORDS]
"""Words of `service` that set a flag of their own; any other sets `other`."""

SERVICE_TARGETS = np.array([SERVICE_FLAGS.index(flag) for flag in (*_WORDS.values(), "other")])
"""Index of the flag that each word sets; the last entry is that of any other word."""

TLS_WORDS = list(table.TLS_VERSIONS)

TLS_TARGETS = np.array([table.TLS_FLAGS.index(flag) for flag in table.TLS_VERSIONS.values()])
"""Index of the flag that each version sets."""

MAGNITUDES = sum(not feature.share for feature in CONTEXT_FEATURES)
"""Columns of the context that are magnitudes; they come first, shares follow."""
