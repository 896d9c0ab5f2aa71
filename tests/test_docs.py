"""The pages under docs/ that are made from tables."""

from __future__ import annotations

import pytest

from tests.docs import PAGES, ROOT


@pytest.mark.parametrize("path", PAGES)
def test_page_is_current(path: str) -> None:
    """A page says what the code's table says; `make docs` brings it up to date."""
    assert (ROOT / path).read_text(encoding="utf-8") == PAGES[path]()
