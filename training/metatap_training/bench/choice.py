"""Which part of the benchmark to run: tables, a role, or a quick look at all of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from metatap_training.bench.cells import Cell, Table
from metatap_training.bench.folds import BenchError, Role, fold_named
from metatap_training.bench.job import Job, jobs_of


def tables_named(text: str) -> tuple[Table, ...]:
    """Tables from `random,own`.

    Raises:
        BenchError: a name is no table.
    """
    try:
        return tuple(Table(name.strip()) for name in text.split(","))
    except ValueError as error:
        raise BenchError(f"--only: {error}; tables are {', '.join(Table)}") from None


def chosen(
    cells: Iterable[Cell], tables: Collection[Table], role: Role | None, *, quick: bool
) -> tuple[Cell, ...]:
    """The cells of some tables and a role; in a quick look one of each, as few folds as can be."""
    found = [
        cell
        for cell in cells
        if cell.table in tables and (role is None or fold_named(cell.fold).role is role)
    ]
    return (
        tuple(cell for job in _few(jobs_of(found)) for cell in job.cells) if quick else tuple(found)
    )


def _few(jobs: Sequence[Job]) -> list[Job]:
    """The first family of each table and role, one network of it, in the role's first fold."""
    folds: dict[Role, str] = {}
    found: dict[tuple[Role, Table], Job] = {}
    for job in sorted(jobs, key=lambda job: job.table != Table.OWN):
        cell = job.cells[0]
        role = fold_named(cell.fold).role
        if folds.setdefault(role, cell.fold) == cell.fold:
            found.setdefault((role, job.table), Job(job.cells[:1]))
    return list(found.values())
