"""How metatap is installed and run as a service."""
