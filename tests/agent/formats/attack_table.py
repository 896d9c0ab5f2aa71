"""ATT&CK's techniques as a table: agent/metatap/formats/attack.tsv.

`python -m tests.agent.formats.attack_table CHECKOUT` makes it from a checkout of
github.com/mitre/cti at ATT&CK-v18.1. Revoked and deprecated techniques are left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from metatap.formats import attack

PATH = Path(attack.__file__).with_name("attack.tsv")
HEAD = """\
# ATT&CK Enterprise 18.1. © 2025 The MITRE Corporation. This work is reproduced and distributed with
# the permission of The MITRE Corporation.
"""


def _objects(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(folder.glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))["objects"][0]
        if found.get("revoked") or found.get("x_mitre_deprecated"):
            continue
        for reference in found["external_references"]:
            if reference["source_name"] == "mitre-attack":
                yield reference["external_id"], found


def rows(root: Path) -> list[str]:
    """Id, name and tactics of every tactic and technique."""
    tactics = dict(_objects(root / "enterprise-attack/x-mitre-tactic"))
    ids = {tactic["x_mitre_shortname"]: name for name, tactic in tactics.items()}
    found = [f"{name}\t{tactic['name']}\t" for name, tactic in tactics.items()]
    for name, technique in _objects(root / "enterprise-attack/attack-pattern"):
        served = sorted(ids[phase["phase_name"]] for phase in technique["kill_chain_phases"])
        found.append(f"{name}\t{technique['name']}\t{','.join(served)}")
    return sorted(found)


if __name__ == "__main__":
    PATH.write_text(HEAD + "\n".join(rows(Path(sys.argv[1]))) + "\n", encoding="utf-8")
