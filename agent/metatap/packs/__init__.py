"""Threat packs: detection rules by example, one YAML file each (docs/packs.md).

In: a file or a folder. Out: `Pack`, its support flows as a `FlowBatch` of k ≤ 64 rows. A file with
any fault is refused as a whole, `PackError` lists every fault; the other files of a folder are
unaffected.
"""

from metatap.packs.load import load_folder, load_pack, parse_pack
from metatap.packs.pack import Pack, Severity
from metatap.packs.write import dump_pack

__all__ = ["Pack", "Severity", "dump_pack", "load_folder", "load_pack", "parse_pack"]
