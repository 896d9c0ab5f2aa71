"""Lists: which hits raise no alert, and why (docs/lists.md).

In: a folder of YAML files. Out: `Lists`, which takes hits out of `Detections`. Dropped, by the
aggregator: `suppressed`, a hit that a rule matches, counted under that rule. A file with any fault
is left out as a whole, and `ListError` lists every fault.
"""

from metatap.lists.append import append_rule, rule_text
from metatap.lists.folder import load_lists, read_list
from metatap.lists.lists import ListFile, Lists
from metatap.lists.read import parse_list
from metatap.lists.rule import Domain, ListError, ListRule, Network, Ports

__all__ = [
    "Domain",
    "ListError",
    "ListFile",
    "ListRule",
    "Lists",
    "Network",
    "Ports",
    "append_rule",
    "load_lists",
    "parse_list",
    "read_list",
    "rule_text",
]
