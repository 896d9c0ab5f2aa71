"""What comes with the agent."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def shipped_packs() -> Path:
    """Folder of the starter packs."""
    return Path(str(resources.files("metatap.packs") / "starter"))
