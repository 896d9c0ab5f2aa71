"""Tests of metatap.context."""
