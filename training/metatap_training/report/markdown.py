"""The model card as Markdown: docs/model-card.md."""

from __future__ import annotations

from metatap_training.report.benchmark_markdown import benchmark_markdown, headline
from metatap_training.report.card import Card
from metatap_training.report.own import KIND, own_markdown
from metatap_training.report.text import code, table


def card_markdown(card: Card) -> str:
    """The whole document.

    Raises:
        KeyError: The card lacks a field.
    """
    if card.get("kind") == KIND:
        return own_markdown(card)
    found = card["benchmark"]
    parts = [_head(card), headline(found), _limits(), benchmark_markdown(found), _training(card),
             _data(card)]  # fmt: skip
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _head(card: Card) -> str:
    measured, recipe = card["measured"], card["recipe"]
    shape = recipe["shape"]
    units = shape["dense"] + shape["stumps"] + shape["linear"]
    return f"""
<!-- Made by `metatap-train card`; do not edit. -->
# Model card: {card["name"]} {card["version"]}

Scores single Zeek connections against threat packs of 1 to 64 example flows. A committee of
{recipe["members"]} members, each a trunk of {units} units meta-trained by itself on many few-shot
tasks, embeds a flow; a pack's head is solved for all members at once in closed form (class-balanced
ridge regression, twice, with learned prior, penalties and masses) from its examples and benign
flows. The members vote by the mean of their scores, and the file computes in 8-bit integers.

Made {card["created"]}, seed {card["seed"]}, by {code(card["command"])}
({measured["minutes"]} min on {measured["processors"]} cores). {measured["bytes"]:,} bytes. One core
scores {measured["flows_per_second"]:,} flows/s against 64 packs (batches of 4,096, one thread) and
adapts a pack in {measured["adapt_ms"]} ms. In float32 ONNX Runtime and PyTorch differ by at most
{measured["parity"]:.1e}; integers move a score by {measured["rounding"]:.1e} in the median.
"""


def _limits() -> str:
    return """
Not for: attributing flows to actors; sources without packet counts. Null packs say how much of a
figure across networks may be the network itself, since what hosts usually do differs by network.
The table “own” has no such help: support and benign flows are of the same network, which the model
tried there has not seen. Most families come from one network each. Captures date from 1999 to 2026.
"""


def _training(card: Card) -> str:
    recipe = card["recipe"]
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in card["dropped"].items())
    return f"""
## Training

{recipe["members"]} members, {recipe["steps"]} episodes each, learning rate {recipe["rate"]:g},
weight decay {recipe["decay"]:g}; each episode hides {recipe["drop"]:.0%} of the columns. The model
in the file is trained on all groups and networks of the sources that may train. A benchmark trains
the recipe anew on what each of its folds leaves, so its figures are those of the file's siblings.

Settings were chosen on the validation groups {", ".join(card["chosen_on"])}. What earlier versions
had chosen, and this one keeps (context as features, linear units), was chosen after looking at all
groups, those of the test folds among them.

Cleaning (`metatap_training.preprocess.clean`) dropped {dropped}: equal feature rows beyond eight in
one capture and family; malicious flows labelled by capture that equal a benign flow, or four of
whose five nearest flows in their network are benign. Unknown flows are never negatives.
"""


def _data(card: Card) -> str:
    rows = [
        [row["source"], row["licence"], row["use"], f"{row['flows']:,}"] for row in card["data"]
    ]
    head = ("source", "licence or terms", "use", "flows after cleaning")
    ground = ", ".join(f"{name} {count}" for name, count in card["background"].items())
    return f"""
## Data

{table(head, rows)}

None of the data is in the file. Its reference background is {sum(card["background"].values()):,}
embeddings of benign flows of openly licensed sources: {ground}. The self-test holds the features of
a few flows of such sources.
"""
