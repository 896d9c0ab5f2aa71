"""What the page says about tables, figures and how they were measured."""

from __future__ import annotations

TITLES = {
    "random": "Held-out network",
    "capture": "Held-out network, other captures",
    "own": "Own network",
    "technique": "Technique across networks",
    "technique-lab": "Technique across lab networks",
}

SAYS = {
    "random": "Support and positives come from the same captures of a family; background and "
    "negatives from a network the support has never been in.",
    "capture": "Support comes from one capture of a family, positives from its other captures; "
    "background and negatives from another network.",
    "own": "Background and negatives are benign flows of the very network the family lives in, "
    "background earlier, negatives later.",
    "technique": "Support and positives are one technique from different networks, often by "
    "different tools.",
    "technique-lab": "The same between networks of the traffic lab that differ in tools, delay, "
    "loss, MTU and NAT; background and negatives are benign flows of the network of the positives. "
    "None of these flows trained a model.",
}

MEANING = {
    "Cell": (
        "A held-out family in a network. Families are held out by group: nothing of the group "
        "was in training."
    ),
    "K": "Labelled flows of the threat that a method is given, its support.",
    "TPR": (
        "Share of the threat's flows found at a false-positive rate of 1e-3, threshold read on "
        "the queries, unless said otherwise."
    ),
    "TPR at 1e-4": (
        "The same at 1e-4, all networks of a job pooled: one network has too few flows for it."
    ),
    "Background threshold": (
        "Threshold set on the background alone, before any query is seen; beside it the "
        "false-positive rate it came to."
    ),
    "Null": (
        "The same with benign flows of one network as “threat”: what is found there is the "
        "network, not a threat. A TPR near it says little."
    ),
    "Interval": (
        "95 %, bootstrap over families, each the mean of its cells and draws; for single "
        "families, over hosts."
    ),
    "Weak labels": (
        "Cells whose whole capture carries one label; shown apart from those labelled flow by flow."
    ),
    "Recall and precision at the budget": (
        "At a budget of false alerts a host; see the benchmark's own documentation for its size."
    ),
}
