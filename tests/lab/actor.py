"""A client host that runs tools with a habit's own random choices, and a tally of runs."""

import os
import random
import subprocess
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import netns, topology
from tests.lab.services import Services
from tests.lab.spec import Host


@dataclass(slots=True)
class Tally:
    """How often each action ran and how often its last command failed or hung."""

    ran: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, action: str, *, well: bool) -> None:
        """Count one run."""
        with self.lock:
            self.ran[action] += 1
            self.failed[action] += not well


@dataclass(slots=True)
class Actor:
    """One client host carrying out one habit; all its choices come from ``rng``."""

    services: Services
    host: Host
    rng: random.Random
    code: int = 0

    def run(
        self,
        argv: Sequence[str],
        *,
        limit_s: float = 25,
        text: str = "",
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Run a tool on this host with a time limit; its exit status lands in ``code``."""
        try:
            done = subprocess.run(
                netns.inside(self.services.namespace(self.host), argv),
                check=False,
                input=text.encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=limit_s,
                cwd=topology.ROOT,
                env={**os.environ, **(env or {})},
            )
            self.code = done.returncode
        except subprocess.TimeoutExpired:
            self.code = -1

    def curl(self, *words: str) -> None:
        """Run curl as a usual browser, with one of its TLS versions; accept own certificates."""
        agent = self.rng.choice(self.services.network.web.agents)
        tls = self.rng.choice(([], [], ["--tls-max", "1.2"]))
        self.run(["curl", "-s", "-k", "-m", "20", "-A", agent, *tls, *words])

    def servers(self, role: str) -> list[Host]:
        """Servers with a role that benign traffic of this host may go to."""
        return self.services.network.open_to(self.host, role)

    def pick(self, role: str) -> Host:
        """A random one of these servers."""
        return self.rng.choice(self.servers(role))

    def base(self, server: Host) -> str:
        """A web server's address with a random one of its schemes and ports."""
        scheme, port = self.rng.choice(self.services.network.web_ports)
        return f"{scheme}://{server.fqdn}:{port}"

    def page(self) -> list[str]:
        """Addresses of a random page and its objects on one server."""
        server = self.pick("browse")
        base, site = self.base(server), self.services.sites[server.name]
        page = self.rng.choice(list(site.pages))
        return [f"{base}/{path}" for path in (page, *site.pages[page])]

    def sample(self) -> Path:
        """A local file to send somewhere."""
        server = self.rng.choice(list(self.services.sites))
        files = self.services.sites[server].files
        return self.services.work / "www" / server / self.rng.choice(files)

    def ssh_words(self, user: str) -> list[str]:
        """Options shared by ssh, scp and sftp for a login by key."""
        return [
            *("-F", "none", "-i", str(self.services.key(user))),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
            *("-o", "LogLevel=ERROR", "-o", "ConnectTimeout=8", "-o", "IdentitiesOnly=yes"),
        ]

    def user(self) -> str:
        """A random lab user."""
        return self.rng.choice(self.services.network.ssh.users)

    def password_login(self, words: Sequence[str], user: str) -> None:
        """Log in by typing ``words`` one after the other at the password prompts."""
        stem = self.services.work / f"words-{self.host.name}-{self.rng.getrandbits(48):x}"
        stem.write_text("\n".join(words) + "\n")
        ask = self.services.work / "askpass.sh"
        options = [
            *("-o", "PreferredAuthentications=password"),
            *("-o", f"NumberOfPasswordPrompts={len(words)}"),
        ]
        self.run(
            ["ssh", *self.ssh_words(user), *options, f"{user}@{self.pick('ssh').fqdn}", "uptime"],
            env={"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force", "LAB_WORDS": str(stem)},
        )
