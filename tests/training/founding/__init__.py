"""Tests of the founding article's systems."""
