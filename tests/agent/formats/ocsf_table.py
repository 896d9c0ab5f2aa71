"""The part of OCSF 1.8.0 that an alert may use, as a table: ocsf_1_8_0.json.

`python -m tests.agent.formats.ocsf_table CHECKOUT` makes it from a checkout of
github.com/ocsf/ocsf-schema at v1.8.0. It holds the class and the objects an alert fills, each with
all its attributes; objects that stand beyond are named by their type alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

VERSION = "1.8.0"
PATH = Path(__file__).parent / "ocsf_1_8_0.json"
CLASS = "detection_finding"
OBJECTS = (
    "analytic", "attack", "evidences", "finding_info", "metadata", "network_connection_info",
    "network_endpoint", "observable", "product", "related_event", "reporter", "sub_technique",
    "tactic", "technique",
)  # fmt: skip

Json = dict[str, Any]


class Schema:
    """A checkout of the schema's repository."""

    def __init__(self, root: Path) -> None:
        version = _read(root / "version.json")["version"]
        if version != VERSION:
            raise SystemExit(f"{root}: version {version}, not {VERSION}")
        self._root = root
        dictionary = _read(root / "dictionary.json")
        self._dictionary = dictionary["attributes"]
        self._types = dictionary["types"]["attributes"]
        self._categories = _read(root / "categories.json")["attributes"]
        self._files = {
            path.stem: path
            for folder in ("objects", "events")
            for path in root.joinpath(folder).rglob("*.json")
        }

    def table(self, name: str) -> Json:
        """Attributes and constraints of a class or an object."""
        attributes = {
            key: self._attribute(key, given)
            for key, given in sorted(self._attributes(name).items())
            if key != "$include"
        }
        for key, enum in self._derived(name).items():
            attributes[key]["enum"] = enum
        return {"attributes": attributes, "constraints": self._constraints(name)}

    def _derived(self, name: str) -> Json:
        """Enumerations that the schema's compiler makes: uids of a class, types of observables."""
        if name == "observable":
            types = self._types.values()
            return {"type_id": {i["observable"]: i["caption"] for i in types if "observable" in i}}
        if name != CLASS:
            return {}
        definition = _read(self._files[CLASS])
        category = self._categories[_read(self._files["finding"])["category"]]
        uid = category["uid"] * 1000 + definition["uid"]
        activities = self._attribute("activity_id", self._attributes(CLASS)["activity_id"])["enum"]
        caption = definition["caption"]
        return {
            "category_uid": {category["uid"]: category["caption"]},
            "class_uid": {uid: caption},
            "type_uid": {
                uid * 100 + int(number): f"{caption}: {activity}"
                for number, activity in activities.items()
            },
        }

    def _attributes(self, name: str) -> Json:
        definition = _read(self._files[name])
        parent = definition.get("extends")
        found = self._attributes(parent) if parent in self._files else {}
        given = definition.get("attributes", {})
        for path in given.get("$include", []):
            profile = _read(self._root / path)
            mark = profile["name"] if profile.get("meta") == "profile" else None
            for key, spec in profile["attributes"].items():
                found[key] = _merged(found.get(key, {}), spec | ({"profile": mark} if mark else {}))
        for key, spec in given.items():
            if key != "$include":
                found[key] = _merged(found.get(key, {}), spec)
        return found

    def _constraints(self, name: str) -> Json:
        definition = _read(self._files[name])
        if "constraints" in definition:
            return dict(definition["constraints"])
        parent = definition.get("extends")
        return self._constraints(parent) if parent in self._files else {}

    def _attribute(self, key: str, given: Json) -> Json:
        spec = _merged(self._dictionary[key], given)
        table: Json = {"type": spec["type"], "requirement": spec.get("requirement", "optional")}
        for name, value in (
            ("is_array", spec.get("is_array")),
            ("profile", spec.get("profile")),
            ("deprecated", "@deprecated" in spec),
            ("sibling", spec.get("sibling")),
        ):
            if value:
                table[name] = value
        if "enum" in spec:
            table["enum"] = {number: item["caption"] for number, item in spec["enum"].items()}
        return table


def _merged(below: Json, above: Json) -> Json:
    enum = {**below.get("enum", {}), **above.get("enum", {})}
    return {**below, **above, **({"enum": enum} if enum else {})}


def _read(path: Path) -> Json:
    found: Json = json.loads(path.read_text(encoding="utf-8"))
    return found


def main(root: Path) -> None:
    """Write the table."""
    schema = Schema(root)
    types = {name: schema.table(name) for name in (CLASS, *OBJECTS)}
    source = f"github.com/ocsf/ocsf-schema, v{VERSION}, Apache-2.0"
    document = {"source": source, "types": types}
    PATH.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
