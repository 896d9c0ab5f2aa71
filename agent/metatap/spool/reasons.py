"""Why an alert does not reach a sink; what a receiver refuses has the transport's reason."""

from __future__ import annotations

SPOOL_FULL = "spool_full"
DISK_FULL = "disk_full"
WRITE_FAILED = "write_failed"
TOO_BIG = "too_big"
CORRUPT = "corrupt"
MISSING = "missing"
DAMAGED = "damaged"
CLOSED = "closed"
UNENCODABLE = "unencodable"

REASONS: dict[str, str] = {
    SPOOL_FULL: "The spool had no room, and the oldest alerts gave way, or the agent ended while "
    "it waited for room.",
    DISK_FULL: "No room on the disk, and the buffer in memory is full or the agent ends.",
    WRITE_FAILED: "The spool can't be written, and the buffer in memory is full or the agent ends.",
    TOO_BIG: "Larger than any alert of the agent's is.",
    CORRUPT: "Its bytes in the spool are not those that were written (its number is logged).",
    MISSING: "It is no longer in the spool: when the agent was killed it was in memory alone (its "
    "disk failed, its spool was full) or just being sent and had given way; or other hands "
    "deleted it.",
    DAMAGED: "The spool's file broke while it was open and was set aside (`spool_set_aside`).",
    CLOSED: "Came after the end.",
    UNENCODABLE: "The sink's filter or format failed on it (`alert_unencodable` names it).",
}
