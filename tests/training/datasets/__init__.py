"""Tests of the training package's datasets."""
