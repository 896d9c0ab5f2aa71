"""What a plain classifier does not say itself: its features, its classes and when to alert.

A YAML text, beside the file or inside it; docs/model.md shows one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metatap.detector.contract import MAX_CLASSES, feature_names
from metatap.errors import ModelError
from metatap.flow import FlowBatch
from metatap.packs import Pack
from metatap.packs.head import FIELDS
from metatap.yamlfile import Faults, Fields, Items, Node, Scalar, kind_of, parse, shown

VERSION = 1
"""Version of the description's format."""

HEAD = ("classifier", "name", "version", "author", "created", "features", "absent", "classes")
RULE = ("id", "name", "description", "severity", "threshold", "attack", "references")
"""Keys of a class that is a rule; all but `threshold` as in a pack."""


@dataclass(frozen=True, slots=True)
class ClassRule:
    """A class that alerts.

    Attributes:
        column: Its column in the probabilities.
        threshold: A probability at or above it is a hit.
        pack: What an alert says of it; a pack without flows.
    """

    column: int
    threshold: float
    pack: Pack


@dataclass(frozen=True, slots=True)
class Description:
    """A classifier's description, parsed and bounded.

    Attributes:
        name: Its name.
        version: Its version, "" where none is given.
        features: The features it takes, in order.
        absent: What it is given for a value that is absent; NaN if the description names none.
        classes: Ids of the C classes, in the order of the probabilities.
        rules: Those of them that alert.
    """

    name: str
    version: str
    features: tuple[str, ...]
    absent: float
    classes: tuple[str, ...]
    rules: tuple[ClassRule, ...]


def parse_description(content: bytes, name: str, path: Path, model_sha256: str) -> Description:
    """Read a description.

    Args:
        content: The YAML text.
        name: Its name in messages.
        path: The model file.
        model_sha256: Its digest; a rule's digest covers model and description.

    Raises:
        ModelError: it breaks docs/model.md; names every fault with its line.
    """
    faults = Faults(name)
    root = parse(content, faults)
    if not isinstance(root, Fields):
        if root is not None and not faults:
            faults.add(root.line, f"must be a mapping, is {kind_of(root)}")
        raise ModelError("\n".join(faults.listed()))
    faults.unknown(root, HEAD)
    reader = _Reader(faults)
    reader.value(root, "classifier", _version)
    shared = {
        "author": reader.field(root, "author"),
        "created": reader.field(root, "created"),
        "path": path,
        "sha256": hashlib.sha256(model_sha256.encode() + content).hexdigest(),
    }
    found = Description(
        name=reader.field(root, "name"),
        version=reader.value(root, "version", FIELDS["author"][1], ""),
        features=reader.value(root, "features", _features),
        absent=reader.value(root, "absent", _absent, math.nan),
        classes=(),
        rules=(),
    )
    names, rules = reader.classes(root, shared)
    if faults:
        raise ModelError("\n".join(faults.listed()))
    return Description(
        found.name, found.version, found.features, found.absent, tuple(names), tuple(rules)
    )


class _Reader:
    """Reads values and notes what is wrong with them."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def value(
        self, fields: Fields, key: str, read: Callable[[Node], Any], default: Any = None
    ) -> Any:
        """The value of a key; `default` where it is missing, which is a fault if it is None."""
        node = fields.items.get(key)
        if node is None or (isinstance(node, Scalar) and node.value is None):
            if default is None:
                self._faults.add(fields.lines.get(key, fields.line), f"{key}: missing")
            return default
        try:
            return read(node)
        except ValueError as error:
            self._faults.add(node.line, f"{key}: {error}")
            return default

    def field(self, fields: Fields, key: str) -> Any:
        """A value that packs have, too."""
        default, read = FIELDS[key]
        return self.value(fields, key, read, default)

    def classes(self, root: Fields, shared: dict[str, Any]) -> tuple[list[str], list[ClassRule]]:
        """Ids of all classes, and the rules; `shared` are the fields all their packs have."""
        node = self.value(root, "classes", _classes)
        names: list[str] = []
        rules: list[ClassRule] = []
        for column, item in enumerate(node or []):
            if isinstance(item, Scalar):
                names.append(self.value(_as_fields(item), "classes", FIELDS["name"][1]))
                continue
            if not isinstance(item, Fields):
                self._faults.add(item.line, f"classes: must be an id or a mapping: {kind_of(item)}")
                continue
            self._faults.unknown(item, RULE, "classes: ")
            name = self.field(item, "id")
            title = str(name or "").replace("-", " ").capitalize()
            values = {key: self.field(item, key) for key in RULE if key in _OF_PACK}
            values |= {"id": name, "name": self.value(item, "name", FIELDS["name"][1], title)}
            threshold = self.value(item, "threshold", _threshold)
            names.append(name)
            rules.append(ClassRule(column, threshold, Pack(**values, **shared, flows=_NO_FLOWS)))
        twice = {name for name in names if name is not None and names.count(name) > 1}
        if twice:
            self._faults.add(root.line, f"classes: given twice: {', '.join(sorted(twice)[:5])}")
        if node and not rules and not self._faults:
            self._faults.add(root.line, "classes: none has a threshold, so nothing would alert")
        return names, rules


_OF_PACK = ("description", "severity", "attack", "references")
_NO_FLOWS = FlowBatch(0, {})


def _as_fields(item: Scalar) -> Fields:
    return Fields(item.line, {"classes": item}, {"classes": item.line})


def _version(node: Node) -> int:
    if not isinstance(node, Scalar) or node.value != VERSION or isinstance(node.value, bool):
        raise ValueError(f"must be {VERSION}")
    return VERSION


def _features(node: Node) -> tuple[str, ...]:
    if not isinstance(node, Items):
        raise ValueError(f"must be a list, is {kind_of(node)}")
    names = [item.text if isinstance(item, Scalar) else shown(kind_of(item)) for item in node.items]
    try:
        return feature_names(names, "features")
    except ModelError as error:
        raise ValueError(str(error).removeprefix("features: ")) from None


def _classes(node: Node) -> list[Node]:
    if not isinstance(node, Items) or not 2 <= len(node.items) <= MAX_CLASSES:
        raise ValueError(f"must be a list of 2 to {MAX_CLASSES} classes")
    return node.items


def _absent(node: Node) -> float:
    return _number(node, -1e30, 1e30)


def _threshold(node: Node) -> float:
    value = _number(node, 0.0, 1.0)
    if not np.float32(value) > 0:
        raise ValueError(f"{value:g} is 0 in float32 and would alert on every flow")
    return value


def _number(node: Node, low: float, high: float) -> float:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"must be a number, is {kind_of(node)}")
    if not low <= value <= high:
        raise ValueError(f"{value}: must be from {low:g} to {high:g}")
    return float(value)
