"""Tests of `metatap_training`; on made-up flows unless marked `shared`."""
