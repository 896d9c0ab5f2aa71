"""Tests of the flow record."""
