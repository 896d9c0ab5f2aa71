"""Tests of the agent, one folder a package."""
