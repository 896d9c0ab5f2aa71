"""Tests of the benchmarks' own code: that figures are what they are said to be."""
