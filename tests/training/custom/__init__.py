"""Tests of training on a user's own flows."""
