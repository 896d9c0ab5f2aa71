"""docs/metrics.md, made from the table of metrics."""

from __future__ import annotations

from metatap.metrics.collector import FRESH_S, SUPERVISOR
from metatap.metrics.endpoint import MAX_CONNECTIONS, PATH, PATIENCE_S
from metatap.metrics.table import GROUPS, PROCESS, SHARD, Metric
from metatap.metrics.timing import BATCH_S, FLOW_S

_HEAD = f"""\
<!-- Made by `make docs` from agent/metatap/metrics/table.py and tests/agent/metrics/page.py; edit those. -->
# Metrics
Figures for Prometheus. They are off until an address is set:

```yaml
metrics:
  listen: 127.0.0.1:9650
```

```console
$ curl http://127.0.0.1:9650{PATH}
```

Without a host (`:9650`) it is loopback; IPv6 stands in brackets: `[::1]:9650`. There is neither login nor TLS:
where another machine is to scrape, put a reverse proxy before it, or name an address of a network that only
it reaches (the log says `metrics_reachable`). Another address needs a restart.

- Nothing is counted for this twice: the figures are those of `metatap status --json`, made by the run loop
  between two batches when somebody asks, once in {FRESH_S:g} s at most. The endpoint has threads of its own.
  It serves {MAX_CONNECTIONS} connections at once, each for {PATIENCE_S:g} s at most; one too many is closed and counted.
- If the run loop is busy for two seconds, the last figures are given again, and
  `metatap_document_age_seconds` says how old they are: a loop that hangs is seen, not hidden.
- With `--shards N` there is one address, of the process that starts the others. The label `{SHARD}` is the
  number of a process, 0 where there is one. It needs `state`, since the processes are asked at their control
  sockets. `metatap_shard_up` is 0 for one that does not answer within five seconds.
- No label holds an address, a host's name or a uid. `sink` is the sink's `name`, or without one its kind; what
  follows a `:` is left out, and of two equal ones the second is `-2`. `source` is the place in the
  configuration's list, from 0; `stage` begins with it: `source.0`.
- A counter with a `reason` is there from its first unit on. `rate()` does not see that first step; the alert
  rules show how to.

## Packaged for it
- [`packaging/prometheus/metatap.rules.yml`](../packaging/prometheus/metatap.rules.yml): alert rules. They are
  tested with `promtool`, and take the scrape job to be named `metatap`.
- [`packaging/grafana/metatap.json`](../packaging/grafana/metatap.json): a dashboard to import. Its queries are
  run against a real Prometheus by a test; in Grafana itself it is not tested.

## Without Prometheus
`metatap status` says the same once, `metatap status --json` with all detail, and `metatap top` again and again:
rates between two looks, drops by reason, how far each sink is, and half and 99 % of the delays; Ctrl-C ends it.
Where its output is no terminal it looks once. All of them ask at the control socket of the state folder, which
answers root and the agent's own user.

"""  # noqa: E501

_TAIL = f"""\

Bounds of `batch_stage_seconds` and `receive_to_score_seconds`, in s:
{", ".join(f"{bound:g}" for bound in BATCH_S)}.
Of `flow_to_score_seconds` and `flow_to_alert_seconds`:
{", ".join(f"{bound:g}" for bound in FLOW_S)}.
"""


def render() -> str:
    """The page."""
    parts = [_HEAD]
    for heading, metrics in GROUPS.items():
        parts.append(f"## {heading}\n")
        parts.append("| metric | kind | labels | what |\n| --- | --- | --- | --- |\n")
        parts += [_line(metric) for metric in metrics]
        parts.append(_TAIL + "\n" if heading == "Time" else "\n")
    parts.append(
        f"## Standard metrics of a process\nOf each process under its `{SHARD}`; that of the one "
        f"that starts the others is `{SUPERVISOR}`.\n\n| metric | what |\n| --- | --- |\n"
    )
    parts += [f"| `{name}` | {why} |\n" for name, why in PROCESS.items()]
    return "".join(parts)


def _line(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.all_labels)
    return f"| `{metric.full_name}` | {metric.kind.value} | {labels} | {metric.why} |\n"
