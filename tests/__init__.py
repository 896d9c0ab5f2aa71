"""Tests of metatap; they mirror its modules."""
