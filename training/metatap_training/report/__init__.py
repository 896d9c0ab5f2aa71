"""Records of an evaluation → figures → the model card.

In: `evaluate.Record`s. Out: tables, as data (in the model file) and as Markdown.
"""

from metatap_training.report.card import make_card
from metatap_training.report.figures import summarise
from metatap_training.report.markdown import card_markdown

__all__ = ["card_markdown", "make_card", "summarise"]
