"""Small evaluations: what parts of the context bring, and how well held-out families are found.

`ablation` trains the recipe without columns and compares on the draws of `draws` in the folds of
`folds`; `scorers` has the methods that `custom.holdout` sets beside a user's own model. How well
the recipe does is measured elsewhere, by `bench`.
"""
