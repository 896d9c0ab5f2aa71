"""What a hostile file, peer or local user can not do; SECURITY.md names these tests."""
