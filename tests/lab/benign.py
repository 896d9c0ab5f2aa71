"""What people and scripts do in the lab: one function an action, a table of all of them."""

import contextlib
import random
import sys
import threading
import time
from collections.abc import Callable, Sequence

from tests.lab import machine_habits, responders, zone
from tests.lab.actor import Actor, Tally
from tests.lab.content import prose
from tests.lab.services import Services
from tests.lab.spec import Habit

_ASKPASS = '#!/bin/sh\nhead -n 1 "$LAB_WORDS"\nsed -i 1d "$LAB_WORDS"\n'
_HEALTH_PORTS = (22, 53, 80, 443)
_STUB_PORT = 20_053


def _sinks(urls: Sequence[str]) -> list[str]:
    return [word for url in urls for word in (url, "-o", "/dev/null")]


def browse(actor: Actor) -> None:
    """A page and its objects over one connection, if the server keeps it alive."""
    actor.curl(*_sinks(actor.page()))


def browse_parallel(actor: Actor) -> None:
    """A page and its objects over up to four connections at once."""
    actor.curl("-Z", "--parallel-max", "4", "--parallel-immediate", *_sinks(actor.page()))


def browse_fresh(actor: Actor) -> None:
    """A page and its objects with another client, a new connection each."""
    actor.run(
        [
            *("wget", "-q", "-T", "15", "-t", "1", "-O", "/dev/null", "--no-check-certificate"),
            *("--no-http-keep-alive", *actor.page()),
        ]
    )


def download(actor: Actor) -> None:
    """One larger file."""
    server = actor.pick("store")
    path = actor.rng.choice(actor.services.sites[server.name].files)
    actor.curl("-o", "/dev/null", f"{actor.base(server)}/{path}")


def upload(actor: Actor) -> None:
    """One larger file the other way, by PUT or POST."""
    how = actor.rng.choice(("-T", "--data-binary"))
    source = str(actor.sample())
    url = f"{actor.base(actor.pick('store'))}/upload"
    actor.curl(how, source if how == "-T" else f"@{source}", url, "-o", "/dev/null")


def form(actor: Actor) -> None:
    """A form with a few fields, and the page after it."""
    base = actor.base(actor.pick("browse"))
    text = prose(actor.rng, actor.rng.randint(20, 2_000))
    fields = ["--data-urlencode", f"text={text}", "-d", f"id={actor.rng.randrange(9_999)}"]
    actor.curl(*fields, f"{base}/form", "-o", "/dev/null")


def poll_status(actor: Actor) -> None:
    """A monitoring script reads a JSON document over every scheme that there is."""
    server = actor.pick("status")
    for scheme, port in actor.services.network.web_ports:
        url = f"{scheme}://{server.fqdn}:{port}/api/status"
        actor.run(["curl", "-s", "-k", "-m", "8", "-A", "statuscheck/2.4", url])


def health(actor: Actor) -> None:
    """A monitoring script opens and closes the usual ports of all servers."""
    servers = [host for host in actor.servers("ssh") if "far-end" not in host.roles]
    targets = [f"{host.addr}:{port}" for host in servers for port in _HEALTH_PORTS]
    actor.run([sys.executable, "-m", responders.__name__, "touch", *targets])


def lookup(actor: Actor) -> None:
    """One or two questions to the name server."""
    for _ in range(actor.rng.choice((1, 1, 2))):
        name, kind = zone.question(actor.services.network, actor.rng)
        actor.run(["dig", "+tries=2", "+time=2", name, kind])


def lookup_batch(actor: Actor) -> None:
    """Many questions in a row, half the time from one fixed port as old resolvers do."""
    rng = actor.rng
    asked = [zone.question(actor.services.network, rng) for _ in range(rng.randint(4, 18))]
    path = actor.services.work / f"questions-{actor.host.name}"
    path.write_text("".join(f"{name} {kind}\n" for name, kind in asked))
    fixed = ["-b", f"0.0.0.0#{_STUB_PORT}"] if rng.random() < 0.5 else []
    actor.run(["dig", *fixed, "+tries=1", "+time=2", "-f", str(path)])


def retry_closed(actor: Actor) -> None:
    """A misconfigured job asks a port where nothing listens (an RST comes back)."""
    actor.run(["curl", "-s", "-m", "3", f"http://{actor.pick('closed').fqdn}:9090/metrics"])


def retry_dark(actor: Actor) -> None:
    """A misconfigured job asks a host whose firewall drops everything."""
    actor.run(["curl", "-s", "-m", "3", f"http://{actor.pick('dark').fqdn}:9090/metrics"])


def ping(actor: Actor) -> None:
    """A few echo requests."""
    count = str(actor.rng.randint(1, 5))
    actor.run(["ping", "-n", "-q", "-c", count, "-i", "0.3", actor.pick("browse").addr])


def clock(actor: Actor) -> None:
    """One question to the clock."""
    address = actor.pick("ntp").addr
    actor.run([sys.executable, "-m", responders.__name__, "ask-clock", address])


def push(actor: Actor) -> None:
    """One connection that stays open for most of the run."""
    seconds = str(0.7 * actor.services.network.duration_s)
    words = ["hold-push", actor.pick("hub").addr, seconds]
    actor.run([sys.executable, "-m", responders.__name__, *words], limit_s=240)


def ssh_key(actor: Actor) -> None:
    """A login by key for one command with some output."""
    user, size = actor.user(), actor.rng.randint(100, 60_000)
    words = [f"{user}@{actor.pick('ssh').fqdn}", f"head -c {size} /dev/zero | od -x"]
    actor.run(["ssh", *actor.ssh_words(user), *words])


def ssh_session(actor: Actor) -> None:
    """A long session with bursts of output, like work with a remote repository."""
    user = actor.user()
    loop = (
        "n=0; while [ $n -lt 45 ]; do head -c $((n * 997)) /dev/urandom; n=$((n+1)); sleep 3; done"
    )
    words = [f"{user}@{actor.pick('ssh').fqdn}", loop]
    actor.run(["ssh", *actor.ssh_words(user), *words], limit_s=180)


def ssh_password(actor: Actor) -> None:
    """A login with the right password."""
    user = actor.user()
    actor.password_login([actor.services.passwords[user]], user)


def ssh_typo(actor: Actor) -> None:
    """A login with one or two mistyped passwords first; some people give up then."""
    user = actor.user()
    right = actor.services.passwords[user]
    wrong = [right[:-1], right.upper()][: actor.rng.randint(1, 2)]
    actor.password_login(
        wrong if actor.rng.random() < actor.services.network.ssh.give_up else [*wrong, right], user
    )


def scp(actor: Actor) -> None:
    """A file copied to a server."""
    user = actor.user()
    target = f"{user}@{actor.pick('ssh').fqdn}:in-{actor.rng.randrange(1000)}"
    actor.run(["scp", "-q", *actor.ssh_words(user), str(actor.sample()), target])


def sftp(actor: Actor) -> None:
    """A file sent and fetched again in one sftp session."""
    user = actor.user()
    batch = f"ls\nput {actor.sample()} box-{actor.host.name}\nget box-{actor.host.name} /dev/null\n"
    words = ["-q", "-b", "-", *actor.ssh_words(user), f"{user}@{actor.pick('ssh').fqdn}"]
    actor.run(["sftp", *words], text=batch)


ACTIONS: dict[str, Callable[[Actor], None]] = {
    action.__name__: action
    for action in (
        *(browse, browse_parallel, browse_fresh, download, upload, form, poll_status, health),
        *(lookup, lookup_batch, retry_closed, retry_dark, ping, clock, push),
        *(ssh_key, ssh_session, ssh_password, ssh_typo, scp, sftp),
        *machine_habits.ACTIONS,
    )
}

GOES_TO: dict[str, str] = {
    **dict.fromkeys(("browse", "browse_parallel", "browse_fresh", "form"), "browse"),
    **dict.fromkeys(("download", "upload"), "store"),
    **dict.fromkeys(("lookup", "lookup_batch"), "dns"),
    **dict.fromkeys(("health", "ssh_key", "ssh_session", "ssh_password", "ssh_typo"), "ssh"),
    **dict.fromkeys(("scp", "sftp"), "ssh"),
    "poll_status": "status",
    "retry_closed": "closed",
    "retry_dark": "dark",
    "ping": "browse",
    "clock": "ntp",
    "push": "hub",
    **machine_habits.GOES_TO,
}
"""Action → the role of the servers it goes to."""


def _repeat(actor: Actor, habit: Habit, stop: threading.Event, tally: Tally) -> None:
    """Carry out one habit until the run ends."""
    rng = actor.rng
    until = time.monotonic() + actor.services.network.duration_s
    wait = rng.uniform(0, min(habit.period_s, 20))
    for _ in range(habit.limit):
        if time.monotonic() + wait > until or stop.wait(wait):
            return
        with contextlib.suppress(OSError):
            ACTIONS[habit.action](actor)
        tally.note(habit.action, well=actor.code == 0)
        spread = rng.uniform(0.97, 1.03) if habit.steady else min(rng.expovariate(1.0), 4.0)
        wait = habit.period_s * spread


def start(services: Services, seed: int, stop: threading.Event, tally: Tally) -> None:
    """Start one thread for every host and habit; they end by themselves or at ``stop``."""
    ask = services.work / "askpass.sh"
    ask.write_text(_ASKPASS)
    ask.chmod(0o755)
    for habit in services.network.habits:
        for host in services.network.having(habit.role):
            rng = random.Random(f"{seed}/{host.name}/{habit.action}")
            words = (Actor(services, host, rng), habit, stop, tally)
            threading.Thread(target=_repeat, args=words, daemon=True).start()
