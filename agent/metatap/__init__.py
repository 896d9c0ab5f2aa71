"""metatap: a sensor that learns a new threat from a few labelled flows.

The packages follow a flow's path: `sources` → `flow` → `features` → `detector` → `alerts` →
`sinks`, driven by `runtime` and the command line in `cli`.
"""

__version__ = "0.1.0"
