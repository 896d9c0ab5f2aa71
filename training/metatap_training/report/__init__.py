"""What was measured, and what a file says of itself: results of a benchmark → page and card.

In: the Parquet file of `metatap-train bench`, a trained model. `read` checks the file, `verdict`
holds it to the bar, `page` shows all of it; `benchmark` takes from it what a card states, `card` is
the card as data, `markdown` as text, `attach` changes it in a file.
"""
