"""Tests of the side files of reports."""
