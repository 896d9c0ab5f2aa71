"""The model card as Markdown: docs/model-card.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metatap_training.evaluate.protocol import HOME, NULL, OPEN, RESTRICTED
from metatap_training.evaluate.scorers import META, META_OPEN, META_PLAIN, NEAREST, PORT
from metatap_training.report.figures import LOGISTIC
from metatap_training.report.own import KIND, own_markdown

_METHODS = (META, META_OPEN, META_PLAIN, LOGISTIC, NEAREST, PORT)
Card = dict[str, Any]


def card_markdown(card: Card) -> str:
    """The whole document."""
    if card.get("kind") == KIND:
        return own_markdown(card)
    parts = [_head(card), _results(card), _families(card), _protocol(card), _data(card)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _head(card: Card) -> str:
    measured, five = card["measured"], card["figures"][OPEN]["5"]
    gain = five["gain"][LOGISTIC]
    low, high = gain["interval"]
    apart = five["untouched"]
    return f"""
<!-- Made by `metatap-train card`; do not edit. -->
# Model card: {card["name"]} {card["version"]}

Scores single Zeek connections against threat packs of 1 to 64 example flows. A trunk, meta-trained
on many few-shot tasks, embeds a flow; a pack's head is solved in closed form (class-balanced ridge
regression, twice, with learned prior, penalties and masses) from its examples and benign flows.

Made {card["created"]}, seed {card["seed"]}, by `{card["command"]}`
({measured["minutes"]} min on {measured["processors"]} cores). {measured["bytes"]:,} bytes. One core
scores {measured["flows_per_second"]:,} flows/s against 64 packs (batches of 4,096, one thread) and
adapts a pack in {measured["adapt_ms"]} ms. In float32 ONNX Runtime and PyTorch differ by at most
{measured["parity"]:.1e}; the file computes in 8-bit integers, which move a score by
{measured["rounding"]:.1e} in the median.

With five examples of a threat of a family group that was never trained on, it finds
{five["means"][META]["tpr"]:.1%} of that threat's flows at a false-positive rate of 1e-3 in networks
it has never seen (mean of {five["families"]} families); logistic regression on the same examples
and background ({five["best_logistic"].partition(", ")[2]}, the best for it) finds
{five["means"][LOGISTIC]["tpr"]:.1%}. Paired difference {gain["mean"]:+.3f}, 95 % interval over
families [{low:+.3f}, {high:+.3f}]. The same recipe
without context finds {five["means"][META_PLAIN]["tpr"]:.1%}. On the folds that nearly no choice was
made on (see “Protocol”; {apart["families"]} families): {apart["means"][META]:.1%} against
{apart["means"][LOGISTIC]:.1%}, {_gain(apart["gain"][LOGISTIC])}.

Not for: attributing flows to actors; sources without packet counts. The null packs below say how
much of a figure across networks may be the network itself: with context more than without, since
what hosts usually do differs by network. The table “own network” has no such help: support and
benign flows are of the same networks, which the model trained for it has not seen.
"""


def _gain(gain: dict[str, Any]) -> str:
    low, high = gain["interval"]
    return f"{gain['mean']:+.3f} [{low:+.3f}, {high:+.3f}]"


def _results(card: Card) -> str:
    blocks = ["## Held-out results"]
    titles = {
        OPEN: "Families of the sources that may train (groups and networks held out)",
        RESTRICTED: "Families of sources that were never trained on (groups held out as well)",
        HOME: "Own network: the same threats among the benign flows of the networks they are in",
        NULL: "Null packs: benign flows as “threat”; what is found here is the network itself",
    }
    for table, title in titles.items():
        rows = []
        for k, figures in card["figures"][table].items():
            for method in figures["means"]:
                mean = figures["means"][method]
                rows.append(
                    [k, figures["families"], method, f"{mean['tpr']:.3f}", f"{mean['auprc']:.3f}",
                     f"{mean['tpr_background']:.3f}", f"{mean['fpr_background']:.4f}"]
                )  # fmt: skip
        head = ("K", "families", "method", "TPR at FPR 1e-3", "AUPRC at 1 %",
                "TPR, background threshold", "its FPR")  # fmt: skip
        blocks.append(f"### {title}\n\n{_table(head, rows)}")
    gains = [
        [k, name, f"{gain['mean']:+.3f}", "[{:+.3f}, {:+.3f}]".format(*gain["interval"])]
        for k, figures in card["figures"][OPEN].items()
        for name, gain in figures["gain"].items()
    ]
    gain_head = ("K", f"{META} less", "mean difference in TPR", "95 % interval over families")
    blocks.append(f"### Paired differences\n\n{_table(gain_head, gains)}")
    folds = [
        [fold, row["families"], *(f"{row[method]:.3f}" for method in _METHODS)]
        for fold, row in card["figures"][OPEN]["5"]["by_fold"].items()
    ]
    head_folds = ("fold", "families", *_METHODS)
    blocks.append(f"### By fold, K = 5\n\n{_table(head_folds, folds)}")
    return "\n\n".join(blocks)


def _families(card: Card) -> str:
    rows = []
    for table in (OPEN, RESTRICTED):
        for family, row in card["figures"][table].get("5", {"by_family": {}})["by_family"].items():
            tpr = [f"{row['tpr'][method]:.2f}" for method in _METHODS]
            place = ", ".join(row["networks"]), "/".join(row["queries_from"])
            rows.append([family, row["group"], *place, row["positives"], *tpr])
    head = ("family", "group", "support from", "queries from other", "positives", *_METHODS)
    return f"## By family, K = 5: TPR at FPR 1e-3\n\n{_table(head, rows)}"


def _protocol(card: Card) -> str:
    protocol = card["protocol"]
    folds = [
        [fold["name"], ", ".join(fold["groups"]), ", ".join(fold["networks"])]
        for fold in protocol["folds"]
    ]
    table = _table(("fold", "groups held out", "networks of background and negatives"), folds)
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in card["dropped"].items())
    return f"""
## Protocol

Family groups are held out one fold at a time; so are the benign flows of the fold's networks. For
each fold the model is trained anew by the recipe of the shipped one. Each family gets
{protocol["draws"]} draws: support from one network; {protocol["background"]} background and up to
{protocol["negatives"]:,} negative flows, disjoint, from the fold's networks without the support's;
positives from another network if the family has one, else another capture, else the rest, without
copies of a support flow. Columns that one side lacks are taken from both. Every method sees the
same rows. The threshold is read at FPR {protocol["rate"]:g} on the negatives; beside it stands what
a threshold from the background alone gives (its second-highest score). A family counts once, as the
mean of its draws. In the table “own network” background and negatives are benign flows of the
networks the positives are from (where these have at least {protocol["least_home"]:,}), and the
models are trained without these networks' benign flows too.

{protocol["choice"]}

The shipped model is trained on all groups and networks by the same recipe, so the figures above are
those of its siblings.

{table}

Cleaning (`metatap_training.preprocess.clean`) dropped {dropped}: equal feature rows beyond eight in
one capture and family; malicious flows labelled by capture that equal a benign flow, or four of
whose five nearest flows in their network are benign. Unknown flows are never negatives.

Most families come from one network each, and their labels are weak where whole captures were
labelled: see “queries from other” below “By family”. Captures date from 1999 to 2026.
"""


def _data(card: Card) -> str:
    rows = [
        [row["source"], row["licence"], row["use"], f"{row['flows']:,}"] for row in card["data"]
    ]
    table = _table(("source", "licence or terms", "use", "flows after cleaning"), rows)
    ground = ", ".join(f"{name} {count}" for name, count in card["background"].items())
    return f"""
## Data

{table}

None of the data is in the file. Its reference background is {sum(card["background"].values()):,}
embeddings of benign flows of openly licensed sources: {ground}. The column “{META_OPEN}” is the
variant trained on these sources alone.
"""
