"""Tests of `metatap.sources.logs`."""
