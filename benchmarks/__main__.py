"""All benchmarks, their table, and the comparison with an earlier state.

    python -m benchmarks [run [NAME …]] [--out FOLDER]     run, a JSON file each, print the table
    python -m benchmarks markdown [--out FOLDER] [--page docs/performance.md]
    python -m benchmarks check [NAME …] [--out FOLDER]     run those that give ratios, compare
    python -m benchmarks compare [--out FOLDER]            compare what was measured already
    python -m benchmarks baseline [--out FOLDER]           take it as the new baseline

Each runs in a process of its own, one after the other. `check` and `compare` end with status 1 if a
ratio is much worse than `benchmarks/baseline.json` says.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import baseline, catalogue
from benchmarks.feed import ROOT
from benchmarks.result import Result, ResultError, read_folder

OUT = ROOT / "build" / "bench"


def run(names: Sequence[str], out: Path) -> list[str]:
    """Run benchmarks, their output as it comes; the names of those that failed."""
    out = out.resolve()
    failed = []
    for name in names:
        (out / f"{name}.json").unlink(missing_ok=True)
        argv = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(out / f"{name}.json")]
        if subprocess.run(argv, cwd=ROOT, check=False).returncode:
            failed.append(name)
    return failed


def compare(results: dict[str, Result]) -> bool:
    """Print how the ratios stand to the baseline; whether all are good."""
    verdicts = baseline.compare(baseline.read(), results)
    for verdict in verdicts:
        sys.stdout.write(baseline.told(verdict) + "\n")
    if not verdicts:
        sys.stdout.write("nothing that the baseline knows was measured\n")
    return bool(verdicts) and all(verdict.is_good for verdict in verdicts)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "do",
        nargs="?",
        default="run",
        choices=("run", "markdown", "check", "compare", "baseline"),
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which, all if none is named")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the JSON files")
    parser.add_argument("--page", type=Path, help="put the table into this page")
    options = parser.parse_args()
    if unknown := set(options.names) - set(catalogue.NAMES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {catalogue.NAMES}")
    return options


def main() -> int:
    """Do as the command line says; the exit status."""
    options = _options()
    status, failed = 0, list[str]()
    if options.do in {"run", "check"}:
        names = catalogue.NAMES if options.do == "run" else catalogue.RATIOS
        failed = run(options.names or names, options.out)
    try:
        results = read_folder(options.out)
        if options.names:
            results = {name: results[name] for name in options.names if name in results}
        if options.do in {"check", "compare"}:
            status = int(not compare(results))
        elif options.do == "baseline":
            ratios = {name: results[name] for name in results if name in catalogue.RATIOS}
            baseline.write(ratios)
        else:
            table = catalogue.markdown(results)
            sys.stdout.write(table)
            if options.page is not None:
                catalogue.put(options.page, table)
    except (ResultError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else status


if __name__ == "__main__":
    sys.exit(main())
