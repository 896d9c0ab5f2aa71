"""Adaptation: the background, the budget, drift and what is unknown."""
