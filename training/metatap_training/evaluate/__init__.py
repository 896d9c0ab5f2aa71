"""Small evaluations: what parts of the context bring, and how well held-out families are found.

`variants` are the recipe without some columns, as methods of the benchmark, which measures them;
`page` tells the result. `draws` and `scorers` have what `custom.holdout` sets beside a user's own
model.
"""
