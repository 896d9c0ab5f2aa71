"""Sinks: where alerts go.

In: encoded alerts, one line each as bytes. Out: a file, standard output. Dropped: `disk_full`,
`write_failed`, `reader_stalled`, `broken_pipe`, `closed`; every drop is counted and logged.
"""

from metatap.sinks.base import Sink
from metatap.sinks.file import FileSink
from metatap.sinks.stdout import StdoutSink

__all__ = ["FileSink", "Sink", "StdoutSink"]
