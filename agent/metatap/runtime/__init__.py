"""Running it: configuration, the pipeline, the process and its signals.

In: a configuration. Out: alerts at the sinks, totals in the log. Nothing is dropped here; what the
stages dropped stands in the totals by stage and reason.
"""
