"""The card of a model from a user's own flows, as Markdown."""

from __future__ import annotations

from typing import Any

from metatap_training.report.text import table

Card = dict[str, Any]

KIND = "own data"
"""What such a card calls itself, so that it is not taken for that of the shipped model."""


def own_markdown(card: Card) -> str:
    """The whole document."""
    return "\n\n".join(part.strip() for part in (_head(card), _held_out(card), _data(card))) + "\n"


def _head(card: Card) -> str:
    measured = card["measured"]
    cut = ""
    if card["parts"] > 1:
        cut = (
            f"There were too few networks to learn across them: each was cut into {card['parts']} "
            "parts, by time, that count as networks. Nothing tells how the model does elsewhere."
        )
    return f"""
# Model card: {card["name"]} {card["version"]}

Trained on a user's own flows, by the recipe of the shipped model. Made {card["created"]}, seed
{card["seed"]}, by `{card["command"]}` ({measured["minutes"]} min, {card["episodes_per_step"]}
episodes a step). {measured["bytes"]:,} bytes. In float32 ONNX Runtime and PyTorch differ by at most
{measured["parity"]:.1e}; the file computes in 8-bit integers, which move a score by
{measured["rounding"]:.1e} in the median.

{cut}
"""


def _held_out(card: Card) -> str:
    held = card["held_out"]
    if held is None:
        return "## Held out\n\nNo held-out evaluation was made: nothing says what it would find."
    families = held["families"]
    methods = list(next(iter(families.values()))["tpr"])
    head = ["family", "positives", "background", "negatives", *methods]
    rows = [
        [name, *(row[key] for key in head[1:4]), *(f"{row['tpr'][m]:.3f}" for m in methods)]
        for name, row in families.items()
    ]
    least = min(row["negatives"] for row in families.values())
    few = ""
    if least * held["rate"] < 1:
        few = (
            f"With {least:,} negatives the rate can't be seen: the threshold is the highest score "
            "of any negative, and the figure a coarse one."
        )
    more = ""
    if not all(row["own"] for row in card["data"]):
        more = " Published flows may hold relatives of these families under other names."
    return f"""
## Held out

TPR at a false-positive rate of {held["rate"]:g}, {held["support"]} flows of the family as the pack,
mean of {held["draws"]} draws. These families and the negatives were not trained on; support,
negatives and positives are of the same networks. The best C of logistic regression is the reader's
choice. {few}{more}

{table(head, rows)}
"""


def _data(card: Card) -> str:
    rows = [
        [row["source"], "own" if row["own"] else "published", ", ".join(row["networks"]),
         ", ".join(row["labelled_by"]), *(f"{row[key]:,}" for key in ("benign", "malicious",
         "unknown")), ", ".join(f"{name} {count}" for name, count in row["families"].items())]
        for row in card["data"]
    ]  # fmt: skip
    head = ["source", "whose", "networks", "labelled by", "benign", "malicious", "unknown",
            "families"]  # fmt: skip
    pool, dropped = card["pool"], card["dropped"]
    lost = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())
    ground = ", ".join(f"{name} {count}" for name, count in card["background"].items())
    return f"""
## Data

{table(head, rows)}

Of the user's {pool["read"]:,} flows the pool held {pool["held"]:,}; of these cleaning dropped
{lost}. The file holds none of them, but embeddings of
{sum(card["background"].values()):,} benign flows as its reference background ({ground}) and the
features of a few flows for its self-test.
"""
