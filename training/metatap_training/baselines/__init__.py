"""What the meta-learner must beat, on the very same support, background and queries.

Each is a function of (support, background, queries) and returns scores of the queries.
"""
