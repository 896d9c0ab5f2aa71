"""`metatap check` on packs with foreign contexts and on logs as sources."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from tests.agent.commands import metatap

from metatap.context import CONTEXT_WIDTH
from metatap.packs import dump_pack, load_pack
from metatap.runtime.build import shipped_packs


def test_check_says_that_contexts_are_not_used(tmp_path: Path) -> None:
    """A note names the file and both versions; such contexts are no fault of their own."""
    pack = load_pack(shipped_packs() / "ssh-bruteforce.yaml")
    values = np.ones((pack.flows.rows, CONTEXT_WIDTH), np.float32)
    text = dump_pack(replace(pack, context=values))
    path = tmp_path / "future.yaml"
    path.write_text(text.replace("context_version: 1", "context_version: 99"))
    done = metatap("check", "--packs", tmp_path)
    assert f"{path}: its contexts are of version 99, this agent's of version 1" in done.stdout
    assert "context" not in done.stderr


def test_check_knows_logs_as_a_source(tmp_path: Path) -> None:
    """A folder of logs is in order by path and by URL; one that is not there is a fault."""
    logs = Path(__file__).parents[2] / "data" / "lab" / "office-logs"
    urls = [str(logs), f"zeek+logs://{logs}?batch_rows=512", f"zeek+logs://{tmp_path}/none"]
    config = tmp_path / "metatap.yaml"
    sources = "".join(f"  - url: {url}\n" for url in urls)
    config.write_text(f"sources:\n{sources}sinks:\n  - type: stdout\n")
    done = metatap("check", "--config", config)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"{config}:4: {urls[2]}: can't be read"]
