"""Threat packs: detection rules by example, one YAML file each (docs/packs.md).

In: a file or a folder. Out: `Pack`, its support flows as a `FlowBatch` of k ≤ 64 rows. A file with
any fault is refused as a whole, `PackError` lists every fault; the other files of a folder are
unaffected. A pack may be signed, and `Trust` says whose packs are taken.
"""

from metatap.packs.folder import Folder, PackCache, load_folder, read_folder
from metatap.packs.load import load_pack, parse_pack
from metatap.packs.pack import Pack, Severity
from metatap.packs.status import Fault, PackState, PackStatus
from metatap.packs.trust import Trust, Unsigned
from metatap.packs.write import dump_pack

__all__ = [
    "Fault",
    "Folder",
    "Pack",
    "PackCache",
    "PackState",
    "PackStatus",
    "Severity",
    "Trust",
    "Unsigned",
    "dump_pack",
    "load_folder",
    "load_pack",
    "parse_pack",
    "read_folder",
]
