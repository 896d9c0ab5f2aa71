"""What a benchmark's report shows beside its results: calibration, and a map of embeddings.

In: a benchmark's world and fits. Out: files for `metatap-train report --extra` and `--embedding`.
"""
