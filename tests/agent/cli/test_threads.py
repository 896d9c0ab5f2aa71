"""How many threads the command takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

SEE = """
import json, sys
sys.argv = ["metatap", "check"]
from metatap.cli import main
try:
    main()
finally:
    from threadpoolctl import threadpool_info
    found = [part for part in threadpool_info() if part["user_api"] == "blas"]
    print(json.dumps([part["num_threads"] for part in found]))
"""


@pytest.mark.parametrize(("wished", "threads"), [(None, 1), ("2", 2)])
def test_numpy_has_one_thread_unless_more_are_wished(wished: str | None, threads: int) -> None:
    """BLAS starts with one, or what the environment says."""
    env = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    if wished is not None:
        env["OMP_NUM_THREADS"] = wished
    command = [sys.executable, "-c", SEE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    most = min(threads, os.cpu_count() or 1)
    assert json.loads(done.stdout.splitlines()[-1]) == [most], done.stderr
