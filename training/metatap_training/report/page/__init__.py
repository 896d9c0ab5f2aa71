"""Results of a benchmark → one self-contained HTML page.

In: `Results` and side files. Out: text of a page without requests, for light and dark, wide and
narrow screens. `model` is what sections are made of, `svg` draws, `render` puts them together.
"""

from metatap_training.report.page.extras import (
    Embedding,
    Extra,
    read_embedding,
    read_extra,
)
from metatap_training.report.page.render import Extras, page

__all__ = ["Embedding", "Extra", "Extras", "page", "read_embedding", "read_extra"]
