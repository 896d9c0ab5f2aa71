"""The detector: features → scores → hits.

In: `FlowBatch` of n flows. Out: `Detections`: scores float32 [n, P] and the (flow, pack) pairs
at or over a pack's threshold. No flow is dropped; a pack that can't be used is refused, with a
reason.
"""

from metatap.detector.cache import ReadyCache
from metatap.detector.classifier import Classifier
from metatap.detector.detections import Detections
from metatap.detector.detector import Detector, reached
from metatap.detector.explain import explain
from metatap.detector.explanation import Explanation, Reason
from metatap.detector.load import Scorer, open_model, open_scorer
from metatap.detector.model import Model, shipped_model
from metatap.detector.ready import Ready, make_ready
from metatap.detector.rules import RuleSet
from metatap.detector.sequence import SequenceModel

__all__ = [
    "Classifier",
    "Detections",
    "Detector",
    "Explanation",
    "Model",
    "Ready",
    "ReadyCache",
    "Reason",
    "RuleSet",
    "Scorer",
    "SequenceModel",
    "explain",
    "make_ready",
    "open_model",
    "open_scorer",
    "reached",
    "shipped_model",
]
