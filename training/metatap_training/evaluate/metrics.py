"""What is measured from scores: the agent's own measures, so that both measure alike."""

from metatap.offline.metrics import Scores, auprc, bootstrap_mean, threshold_at, tpr_at

__all__ = ["Scores", "auprc", "bootstrap_mean", "threshold_at", "tpr_at"]
