"""`python -m tests.fuzz KIND --count N`: the long form of fuzzing."""

from __future__ import annotations

import argparse
import faulthandler
from collections.abc import Callable
from importlib import import_module

from tests.fuzz.tally import Tally

KINDS = {"wire": "messages", "logs": "lines", "yaml": "files", "onnx": "files"}


def main() -> None:
    """Run one kind and print what was refused, by reason."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--count", type=int, default=100_000, help="items, at least")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    faulthandler.enable()
    run: Callable[[Tally, int, int], None] = import_module(f"tests.fuzz.{given.kind}").run
    tally = Tally(f"{given.kind} {KINDS[given.kind]}, seed {given.seed}")
    ending = "broken off by the exception below"
    try:
        run(tally, given.count, given.seed)
        ending = "nothing but refusals, and all counts add up"
    finally:
        print(tally.report(), ending, sep="\n", flush=True)  # noqa: T201 - what the command is for


if __name__ == "__main__":
    main()
