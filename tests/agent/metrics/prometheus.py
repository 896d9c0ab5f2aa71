"""A real Prometheus that scrapes one address."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from metatap.metrics import Address

PACKAGING = Path(__file__).parents[3] / "packaging"
RULES = PACKAGING / "prometheus" / "metatap.rules.yml"
DASHBOARD = PACKAGING / "grafana" / "metatap.json"

LIMIT_S = 90.0


def program(name: str) -> str:
    """Path of `prometheus` or `promtool`; the test is skipped where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here: apt-get install prometheus")
    return found


class Prometheus:
    """A server of its own in a folder; to be closed."""

    def __init__(self, folder: Path, target: Address) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        job = {"job_name": "metatap", "static_configs": [{"targets": [str(target)]}]}
        config = {
            "global": {
                "scrape_interval": "1s",
                "scrape_timeout": "1s",
                "evaluation_interval": "1s",
            },
            "rule_files": [str(RULES)],
            "scrape_configs": [job],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
        self._url = f"http://127.0.0.1:{port}"
        self._log = (folder / "prometheus.log").open("wb")
        self._process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=self._log,
            stderr=self._log,
        )

    def get(self, path: str, **values: str) -> Any:
        """The data of an answer of its API; waits until it is up.

        Raises:
            HTTPError: it does not take the request.
        """
        deadline = time.monotonic() + LIMIT_S
        while True:
            try:
                with urlopen(
                    f"{self._url}/api/v1/{path}?{urlencode(values)}", timeout=20
                ) as answer:
                    return json.load(answer)["data"]
            except URLError as error:
                starts = isinstance(error.reason, ConnectionError)
                starts = starts or (isinstance(error, HTTPError) and error.code == 503)
                if not starts or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query."""
        found: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return found

    def wait_for(self, expression: str) -> float:
        """The value of an expression once it gives one series."""
        deadline = time.monotonic() + LIMIT_S
        while not (found := self.query(expression)):
            assert time.monotonic() < deadline, expression
            time.sleep(0.2)
        return float(found[0]["value"][1])

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()
