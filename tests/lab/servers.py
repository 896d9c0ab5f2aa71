"""Configuration and start of the servers: nginx, dnsmasq, sshd, two responders, machines' own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.lab import machine_servers, netns, responders, topology
from tests.lab.content import write_site
from tests.lab.services import Services
from tests.lab.spec import Host
from tests.lab.threats import Beacon
from tests.lab.zone import zone_lines

_BASE_UID = 61_000


def prepare(services: Services) -> dict[str, dict[str, str]]:
    """Create keys, users and sites; returns the /etc files per host name."""
    work, network = services.work, services.network
    work.chmod(0o711)
    for name in ("log", "keys", "tls", "home", "www"):
        (work / name).mkdir()
    _users(services)
    for kind in network.ssh.host_keys:
        _keygen(work / "keys" / f"host_{kind}", kind)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "30", *network.web.key),
            *("-subj", f"/CN=*.{network.domain}", "-keyout", str(work / "tls/key.pem")),
            *("-out", str(work / "tls/cert.pem")),
        ],
        check=True,
        capture_output=True,
    )
    for host in network.having("web"):
        services.sites[host.name] = write_site(work / "www" / host.name, network.web, services.rng)
    return {host.name: _etc(services, host) for host in network.hosts}


def _keygen(path: Path, kind: str) -> None:
    argv = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "lab", "-f", str(path)]
    subprocess.run(argv, check=True)


def _users(services: Services) -> None:
    for number, user in enumerate(services.network.ssh.users):
        services.passwords[user] = f"{user[::-1]}-{services.rng.randrange(10**6):06}"
        home = services.work / "home" / user
        (home / ".ssh").mkdir(parents=True)
        _keygen(services.key(user), "ed25519")
        public = services.key(user).with_suffix(".pub").read_text()
        (home / ".ssh/authorized_keys").write_text(public)
        subprocess.run(["chown", "-R", f"{_BASE_UID + number}:100", str(home)], check=True)


def _etc(services: Services, host: Host) -> dict[str, str]:
    """A host's own resolv.conf and, where sshd runs, a passwd and shadow with the lab's users.

    Account names of the machine stay, since daemons need theirs, but none of them can log in.
    """
    network = services.network
    number = 1 if "outside-dns" in host.roles else 0
    files = {"resolv.conf": f"nameserver {network.having('dns')[number].addr}\n"}
    if "ssh" not in host.roles:
        return files
    passwd = [Path("/etc/passwd").read_text().rstrip("\n")]
    shadow = ["root:*:19000:0:99999:7:::"]
    for uid, (user, word) in enumerate(services.passwords.items(), _BASE_UID):
        argv = ["openssl", "passwd", "-6", word]
        out = subprocess.run(argv, check=True, capture_output=True, text=True)
        passwd.append(f"{user}:x:{uid}:100::{services.work / 'home' / user}:/bin/sh")
        shadow.append(f"{user}:{out.stdout.strip()}:19000:0:99999:7:::")
    return files | {"passwd": "\n".join(passwd) + "\n", "shadow": "\n".join(shadow) + "\n"}


def _nginx(services: Services, host: Host) -> list[str]:
    network, style = services.network, services.network.web
    root = services.work / "www" / host.name
    tls = services.work / "tls"
    listen = "".join(
        f"listen {port}{' ssl' if scheme == 'https' else ''};\n"
        for scheme, port in network.web_ports
    )
    places = """
        location /upload { return 200 "stored\\n"; }
        location /form { return 200 "<html><body>thank you</body></html>"; }
        location /api { default_type application/json; }
    """
    for attack in network.attacks:
        if isinstance(attack, Beacon) and host.name in attack.targets:
            places = f"location / {{ return 200 '{attack.reply}'; }}"
    extra = "\n".join(style.extra)
    text = f"""
        user root;
        worker_processes 1;
        daemon off;
        pid {services.work}/nginx-{host.name}.pid;
        error_log {services.logs}/nginx-{host.name}.log;
        events {{ worker_connections 512; }}
        http {{
          include /etc/nginx/mime.types;
          default_type application/octet-stream;
          access_log off;
          client_body_temp_path {services.work}/body-{host.name};
          keepalive_timeout {style.keepalive_s};
          {extra}
          server {{
            {listen}
            root {root};
            client_max_body_size 32m;
            ssl_certificate {tls}/cert.pem;
            ssl_certificate_key {tls}/key.pem;
            ssl_protocols {" ".join(style.tls)};
            {places}
          }}
        }}
    """
    conf = services.work / f"nginx-{host.name}.conf"
    conf.write_text(text)
    return ["nginx", "-e", f"{services.logs}/nginx-{host.name}.log", "-c", str(conf)]


def _dnsmasq(services: Services, host: Host) -> list[str]:
    conf = services.work / f"dnsmasq-{host.name}.conf"
    lines = [
        "port=53",
        "no-resolv",
        "no-hosts",
        "bind-interfaces",
        f"listen-address={host.addr}",
        "pid-file=",
        "user=root",
        *zone_lines(services.network),
    ]
    conf.write_text("\n".join(lines) + "\n")
    return ["dnsmasq", "-k", "-C", str(conf)]


def _sshd(services: Services, host: Host) -> list[str]:
    style = services.network.ssh
    conf = services.work / f"sshd-{host.name}.conf"
    lines = [
        *(f"HostKey {services.work}/keys/host_{kind}" for kind in style.host_keys),
        "PidFile none",
        "UsePAM no",
        "StrictModes no",
        "PermitRootLogin no",
        "PrintMotd no",
        "PrintLastLog no",
        "UseDNS no",
        "Subsystem sftp internal-sftp",
        *style.options,
    ]
    conf.write_text("\n".join(lines) + "\n")
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    return ["/usr/sbin/sshd", "-D", "-e", "-f", str(conf)]


def _responder(kind: str) -> Callable[[Services, Host], list[str]]:
    return lambda _services, _host: [sys.executable, "-m", responders.__name__, kind]


#: What a host of a role runs.
_DAEMONS: dict[str, Callable[[Services, Host], list[str]]] = {
    "web": _nginx,
    "dns": _dnsmasq,
    "ssh": _sshd,
    "ntp": _responder("serve-clock"),
    "hub": _responder("serve-push"),
    **machine_servers.DAEMONS,
}


def start(services: Services) -> list[subprocess.Popen[bytes]]:
    """Start all servers inside their namespaces."""
    started = []
    for host in services.network.hosts:
        for role in sorted(host.roles & _DAEMONS.keys()):
            argv = _DAEMONS[role](services, host)
            log = services.logs / f"{role}-{host.name}.log"
            started.append(netns.spawn(services.namespace(host), argv, log, cwd=topology.ROOT))
    return started
