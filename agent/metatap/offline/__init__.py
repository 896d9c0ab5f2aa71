"""Working on what is stored: teach, score, evaluate.

In: recordings and logs, by name. Out: packs and files of results. A source's own counters say what
it could not read; nothing else is dropped.
"""
