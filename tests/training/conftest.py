"""Set-up of the tests of the training package."""

from __future__ import annotations

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    """Coverage is of the agent, and the agent's own tests have to show it."""
    item.add_marker(pytest.mark.untraced)
