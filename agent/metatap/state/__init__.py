"""What the agent keeps over a restart, in one folder.

`state.db` holds named contents (`State`); `models` the model files a rollback returns to;
`history.db` the alerts (`AlertHistory`). Each survives an end at any instant; what can't be read at
the next start is set aside and named.
"""

from metatap.state.state import State

__all__ = ["State"]
