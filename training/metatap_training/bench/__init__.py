"""The benchmark: held-out families in held-out networks, every method on the very same draws.

In: cleaned `Flows` and methods that can be fitted. A committed list of cells (`cells.tsv`) says
which family is looked for in which network; a job draws support, background and queries for all
networks of one family; each method scores them; each score becomes one row. Out: a Parquet file of
rows (`schema`), from which `report` judges the bar.

Nothing of a held-out group and no flow of a held-out network trains a model: `folds.refuse_leaks`
looks at the flows themselves right before every training.
"""
