"""Passwords guessed against an ssh server (T1110.001), from a list that holds no right one."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.lab.attacks.stage import Stage
from tests.lab.threats import BruteForce

_STEMS = ("summer", "dragon", "letmein", "qwerty", "office", "secret", "monday", "tiger")


@dataclass(frozen=True, slots=True)
class _Lists:
    """Files of users and of passwords, and the server's address."""

    users: Path
    words: Path
    addr: str


def _hydra(attack: BruteForce, lists: _Lists) -> list[str]:
    files = ["-L", str(lists.users), "-P", str(lists.words)]
    return ["hydra", "-I", *attack.flags, *files, f"ssh://{lists.addr}"]


def _medusa(attack: BruteForce, lists: _Lists) -> list[str]:
    files = ["-U", str(lists.users), "-P", str(lists.words)]
    return ["medusa", "-b", "-M", "ssh", *attack.flags, *files, "-h", lists.addr]


def _ncrack(attack: BruteForce, lists: _Lists) -> list[str]:
    files = ["-U", str(lists.users), "-P", str(lists.words)]
    return ["ncrack", *attack.flags, *files, f"ssh://{lists.addr}"]


TOOLS: dict[str, Callable[[BruteForce, _Lists], list[str]]] = {
    "hydra": _hydra,
    "medusa": _medusa,
    "ncrack": _ncrack,
}


def run(stage: Stage, attack: BruteForce) -> str:
    """Try all pairs of users and words; returns what the tool said."""
    rng = random.Random(f"{stage.seed}/words")
    work = stage.services.work
    words = {f"{rng.choice(_STEMS)}{rng.randrange(2030)}" for _ in range(2 * attack.words)}
    lists = _Lists(work / "logins.txt", work / "words.txt", stage.addresses(attack)[0])
    lists.words.write_text("\n".join(sorted(words)[: attack.words]) + "\n")
    lists.users.write_text("\n".join(attack.users) + "\n")
    return stage.run(attack, TOOLS[attack.tool](attack, lists), stage.left_s())
