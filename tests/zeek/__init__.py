"""The Zeek package, run by a real Zeek."""
