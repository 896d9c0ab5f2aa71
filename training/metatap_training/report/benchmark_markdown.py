"""The benchmark's part of a model card as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from metatap_training.report.benchmark import LOGISTIC, Part
from metatap_training.report.methods import OWN
from metatap_training.report.realised import BAND
from metatap_training.report.text import code, plain, table
from metatap_training.report.verdict import AHEAD, LIMITS, POSITIVES, TABLES

NONE = "No benchmark is attached: nothing in this card says how well the model finds threats."

_SAYS = {
    "own": "the threat's own network, background earlier, negatives later",
    "random": "another network; support and positives from the same captures, earlier and later",
    "capture": "another network; positives from other captures than the support",
}


def headline(part: Part | None) -> str:
    """What the model finds, in a paragraph, and whether the bar is met."""
    if part is None:
        return NONE
    five = [row for row in part["verdicts"] if row["k"] == 5]
    found = "; ".join(
        f"{row['table']} ({row['families']} families): {row['tpr']:.1%} of a threat's flows, the "
        f"best peer ({row['peer']}) {row['peer_tpr']:.1%}, {LOGISTIC} "
        f"{_share(row['logistic_tpr'], '.1%')}"
        for row in five
    )
    means = (
        f"With five examples of a threat whose family group was never trained on, at a "
        f"false-positive rate of {part['rate']:g} in networks that no model had seen, "
        f"by table of the benchmark: {found}."
    )
    return "\n\n".join(one for one in (means if five else "", _judged(part), _rate(part)) if one)


def benchmark_markdown(part: Part | None) -> str:
    """The section “Benchmark”."""
    if part is None:
        return f"## Benchmark\n\n{NONE}"
    blocks = [
        f"## Benchmark\n\n{_made(part)}",
        _bar(part),
        _ceiling(part.get("ceiling", ())),
        _labels(part["labels"]),
        _null(part["null"]),
        _technique(part.get("technique", ())),
        _variants(part["variants"]),
        _background(part),
        _attacks(part["attacks"]),
    ]
    return "\n\n".join(block for block in blocks if block)


def _made(part: Part) -> str:
    raw = part["facts"]
    facts = {key: plain(value) for key, value in raw.items()}
    return f"""Made {facts["date"]} by {code(raw["command"])}, digest {code(raw["digest"])},
seed {facts["seed"]}: {part["cells"]} test cells, {part["families"]} families. {facts["versions"]}.
Cells, draws and methods: [benchmark.md](benchmark.md). A figure is the mean over families,
each the mean of its cells, each the mean of its draws.

Folds: {facts["folds"]}."""


def _judged(part: Part) -> str:
    """One sentence: met or not, with the ratios."""
    rows = {(row["table"], row["k"]): row for row in part["verdicts"]}
    ratios = "; ".join(
        f"{name} "
        + ", ".join(
            _share(rows[name, k]["ratio"], ".2f", "∞") if (name, k) in rows else "not measured"
            for k in LIMITS
        )
        for name in TABLES
    )
    limits = ", ".join(f"{limit:g}" for limit in LIMITS.values())
    places = ", ".join(str(k) for k in LIMITS)
    return (
        f"The bar is {'met' if part['passed'] else 'not met'}: the model's mean miss rate is, as "
        f"a multiple of the best peer's at K = {places} (at most {limits} asked), {ratios}."
        f"{'' if part['passed'] else ' Which conditions fail stands in the table below.'}"
    )


def _rate(part: Part) -> str:
    """The realised rate over all networks."""
    if not part["background"]:
        return ""
    whole = part["background"][0]
    low, high = whole["interval"]
    return (
        f"A threshold set on the background alone for a false-positive rate of {part['rate']:g} "
        f"came to {whole['rate']:.2g} over {whole['network']} [{low:.2g}, {high:.2g}]."
    )


def _bar(part: Part) -> str:
    says = "; ".join(f"{name}: {_SAYS[name]}" for name in TABLES)
    missing = ", ".join(f"{name} at K = {k}" for name, k in part["missing"])
    return f"""### Against the best peer: TPR at FPR {part["rate"]:g}

{says}. The bar asks, in each table, for a miss rate (1 − TPR) of at most {LIMITS[1]:g} of the best
peer's at K = 1 and {LIMITS[5]:g} at K = 5 and 10, an upper end of the ratio's 95 % interval
(bootstrap over families) below 1, at least {AHEAD:.0%} of cells ahead or level, and no cell of
{POSITIVES} positives or more significantly behind (Holm, 5 %). The best peer is the one the ratio
is worst against; “{OWN}” is on the draws that the peer has too, “all draws” on all its own.
{f"Not measured: {missing}." if missing else ""}

{_verdicts(part["verdicts"])}

{_behind(part["verdicts"])}""".strip()


def _verdicts(rows: Sequence[Part]) -> str:
    head = ("table", "K", "families", "cells", OWN, "all draws", "best peer", "its TPR", LOGISTIC,
            "miss ratio", "95 % interval", "ahead or level", "bar")  # fmt: skip
    lines = [
        [row["table"], row["k"], row["families"], row["cells"], _share(row["tpr"]),
         _share(row["all_draws"]), row["peer"], _share(row["peer_tpr"]),
         _share(row["logistic_tpr"]), _share(row["ratio"], ".2f", "∞"),
         "[" + ", ".join(_share(end, ".2f", "∞") for end in row["interval"]) + "]",
         f"{row['ahead']:.0%}", "; ".join(row["faults"]) or "met"]
        for row in rows
    ]  # fmt: skip
    return table(head, lines) if lines else ""


def _behind(rows: Sequence[Part]) -> str:
    lines = [[row["table"], row["k"], cell] for row in rows for cell in row["behind"]]
    if not lines:
        return ""
    return "Significantly behind in:\n\n" + table(("table", "K", "cell"), lines)


def _ceiling(rows: Sequence[Part]) -> str:
    """What the best choice among all learners would reach, and what none of them finds."""
    if not rows:
        return ""
    lines = [
        [row["table"], row["k"], _share(row["own_tpr"]), row["peer"], _share(row["peer_tpr"]),
         _share(row["tpr"]), _share(row["ratio"], ".2f", "∞"), f"{row['limit']:g}"]
        for row in rows
    ]  # fmt: skip
    head = ("table", "K", OWN, "best peer", "its TPR", "best by result", "miss ratio", "bar")
    lost = [
        [row["table"], row["k"], one["cell"], _share(one["own"]), _share(one["best"]),
         one["method"]]
        for row in rows
        for one in row["lost"]
    ]  # fmt: skip
    cells = table(("table", "K", "cell", OWN, "best learner", "which"), lost) if lost else "None."
    return f"""### What no choice of learner reaches

“Best by result” takes for each draw of each cell the best of {OWN} and all learners on several
draws, chosen by the result. That is no method, since the result is not known when one has to
choose, but an upper end of what a choice of them could reach. Its miss rate as a multiple of the
best peer's stands beside what the bar asks of one learner. The best peer is here the one that
misses least.

{table(head, lines)}

Cells of which no learner finds half:

{cells}"""


def _labels(labels: Mapping[str, Sequence[Part]]) -> str:
    """The same figures of cells labelled flow by flow, and of weak ones."""
    says = {
        "flow by flow": "### Cells labelled flow by flow",
        "weak": "### Weak cells\n\nMost positives have a label that was given to a whole capture, "
        "so that some may not be of the threat.",
    }
    blocks = [f"{says[name]}\n\n{_verdicts(rows)}" for name, rows in labels.items() if rows]
    return "\n\n".join(blocks)


def _null(rows: Sequence[Part]) -> str:
    if not rows:
        return ""
    return f"""### Null packs

Benign flows of a network as the “threat”: what is found here is the network itself, and shows how
much of a figure across networks may be that. “null-host”: benign flows of one host of a network,
looked for among those of its other hosts; how much of a figure in the own network may be the host.
Beside learners stands what needs no learning.

{_means(rows, "networks")}"""


def _technique(rows: Sequence[Part]) -> str:
    """One technique from other networks, by other tools."""
    if not rows:
        return ""
    return f"""### One technique, another network and tool

“technique”: support from one family, positives from its group in other networks; “technique-lab”:
one technique between networks of the traffic lab that differ in tools, delay, loss, MTU and NAT,
none of whose flows trained a model.

{_means(rows, "families")}"""


def _variants(rows: Sequence[Part]) -> str:
    if not rows:
        return ""
    return f"""### The same recipe in float32, and on other training data

“{OWN}” is the exported graph in 8-bit integers, “float32” the same model in PyTorch. “Open
licences” trains on openly licensed sources alone, “all data” also on sources that are otherwise for
evaluation only; it is measured, never shipped. On the draws that all of them have.

{_means(rows, "families")}"""


def _means(rows: Sequence[Part], counted: str) -> str:
    methods = list(dict.fromkeys(name for row in rows for name in row["tpr"]))
    lines = [
        [row["table"], row["k"], row["families"], *(_share(row["tpr"].get(m)) for m in methods)]
        for row in rows
    ]
    return table(("table", "K", counted, *methods), lines)


def _background(part: Part) -> str:
    rows = part["background"]
    if not rows:
        return ""
    lines = [
        [row["network"], row["families"], f"{row['rate']:.5f}",
         "[{:.5f}, {:.5f}]".format(*row["interval"]), "yes" if row["passed"] else "no"]
        for row in rows
    ]  # fmt: skip
    low, high = BAND
    return f"""### False-positive rate of a threshold from the background

The agent's threshold is set before a query is seen, for a rate of {part["rate"]:g}. This is what it
came to on the negatives (all three tables, every K). As asked: over all networks the 95 % interval
holds the rate; in one network it reaches into {low:g} to {high:g} times the rate.

{table(("network", "families", "rate", "95 % interval", "as asked"), lines)}"""


def _attacks(rows: Sequence[Part]) -> str:
    if not rows:
        return ""
    lines = [
        [row["table"], row["k"], row["attack"], row["families"], row["cells"],
         _share(row["clean"]), _share(row["tpr"])]
        for row in rows
    ]  # fmt: skip
    head = ("table", "K", "attack", "families", "cells", "TPR without", "TPR under attack")
    return f"""### Under attack

Padded, slowed or split positives, and a support of which one flow is benign (poisoned), on the same
cells and draws as without.

{table(head, lines)}"""


def _share(value: float | None, form: str = ".3f", absent: str = "–") -> str:
    return absent if value is None else format(value, form)
