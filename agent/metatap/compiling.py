"""What the compiled twins (extra `fast`) share: how their loops are compiled, and who chooses them.

A twin does what its NumPy reference does, faster. It is used once it has done a small batch as the
reference does; without numba, or where the twin is wrong, the reference does the work.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Protocol, TypeVar

import structlog

_log = structlog.get_logger(__name__)


class Twin(Protocol):
    """A twin as such: a module or an object, which has the functions of its reference as well."""

    def recompile(self) -> None:
        """Compile anew, whatever is cached."""
        ...


_Twin = TypeVar("_Twin", bound=Twin)

OPTIONS = {"nogil": True, "error_model": "numpy"}
"""Of every compiled loop: the interpreter is free meanwhile, division is IEEE 754's."""


def entry(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile for this signature only, or load what is cached.

    The cache is where the package lies if that can be written to, else the user's, else there is
    none. A live stream never waits for a compilation: another signature is refused.
    """
    import numba  # noqa: PLC0415 - an optional dependency

    def compiled(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(signature, cache=True, **OPTIONS)(function)
        except (RuntimeError, OSError) as error:
            _log.info("twin_uncached", function=function.__name__, error=str(error))
            return numba.njit(signature, **OPTIONS)(function)

    return compiled


def twin(
    stage: str, wanted: bool | None, load: Callable[[], _Twin], sound: Callable[[_Twin], bool]
) -> _Twin | None:
    """The compiled twin of a stage; None: the reference is to be used.

    Args:
        stage: Name of the stage, for messages.
        wanted: Whether to use the twin; None: if it is there.
        load: Imports it.
        sound: Whether it does a small batch as the reference does.

    Raises:
        ImportError: the twin is wanted, and numba is not there or does it wrong.
    """
    if wanted is False or (wanted is None and find_spec("numba") is None):
        return None
    try:
        made = load()
        if sound(made):
            return made
        # What is cached was compiled from other tables than today's.
        made.recompile()
        if sound(made):
            return made
        raise ImportError(  # noqa: TRY301 - it is told like what the import raises
            f"the compiled {stage} differs from its reference"
        )
    except Exception as error:
        # Whatever a broken compiler raises: the reference does the same, slower.
        if wanted:
            raise
        _log.warning("twin_not_used", stage=stage, error=f"{type(error).__name__}: {error}")
        return None
