"""`python -m metatap`."""

from metatap.cli import main

if __name__ == "__main__":
    main()
