"""Where flows come from.

In: what a Zeek says, over a socket, in a recording or in its logs. Out: `FlowBatch`es of n flows,
one column per schema entry, strings as views of the message they came in, or joined where a batch
is of several.

Dropped, and counted under these names:

| what | name | why |
|---|---|---|
| flows | `lost` | sent by Zeek, not read here; known by the gap in the sequence numbers |
| flows, messages | `duplicate` | of a batch older than the one that was due |
| flows | as `discard` is told | read or received here, and given up at the end |
| messages | `parts` `not_utf8` `serializer` `event` | not a message of Zeek's script |
| messages | `too_big` | larger than the options allow |
| messages | `version` | another version of the contract |
| messages | `bad_tag` `too_short` `too_long` `length` `rows` `range` | breaks the contract |
| messages | `checksum` `truncated` `corrupt` | a damaged recording (`recording_file.REASONS`) |
| messages, flows | names of `logs.REASONS` | lines of a log, and flows of conn lines |

`zeek_wire.REASONS` and `recording_file.REASONS` say more. The flows of a skipped message show up as
`lost` with the next batch or heartbeat. What a Zeek had sent before the receiver joined it is
`before_join` in the source's status: never received, not lost.
"""

from metatap.sources.base import Source
from metatap.sources.encode import flows_message, hello_message
from metatap.sources.logs import LogOptions, ZeekLogs
from metatap.sources.messages import Header, Hello
from metatap.sources.nodes import NodeStatus, SourceStatus
from metatap.sources.open import open_source
from metatap.sources.options import WireOptions
from metatap.sources.recorder import RecordResult, Until, record
from metatap.sources.recording import RecordingSource
from metatap.sources.recording_file import Record, RecordingReader, RecordingWriter
from metatap.sources.replay import ReplayResult, replay_to_zmq
from metatap.sources.zeek_zeromq import ZeekZeroMQ

__all__ = [
    "Header",
    "Hello",
    "LogOptions",
    "NodeStatus",
    "Record",
    "RecordResult",
    "RecordingReader",
    "RecordingSource",
    "RecordingWriter",
    "ReplayResult",
    "Source",
    "SourceStatus",
    "Until",
    "WireOptions",
    "ZeekLogs",
    "ZeekZeroMQ",
    "flows_message",
    "hello_message",
    "open_source",
    "record",
    "replay_to_zmq",
]
