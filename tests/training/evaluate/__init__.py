"""Tests of small evaluations."""
