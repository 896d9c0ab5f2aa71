"""Servers that machines talk to: an MQTT broker, SNMP agents, an FTP store, small responders."""

import sys
from collections.abc import Callable

from tests.lab import machine_protocols
from tests.lab.services import Services
from tests.lab.spec import Host


def _mosquitto(services: Services, host: Host) -> list[str]:
    conf = services.work / f"mosquitto-{host.name}.conf"
    conf.write_text("listener 1883\nallow_anonymous true\npersistence false\nuser root\n")
    return ["mosquitto", "-c", str(conf)]


def _snmpd(services: Services, host: Host) -> list[str]:
    """An agent that shows the usual tables to the community ``public``, read only."""
    conf = services.work / f"snmpd-{host.name}.conf"
    state = services.work / f"snmpd-{host.name}"
    state.mkdir()
    conf.write_text(
        f"agentaddress udp:161\nrocommunity public\nsysName {host.name}\n"
        f"[snmp] persistentDir {state}\n"
    )
    return ["snmpd", "-f", "-Lo", "-C", "-c", str(conf), "-p", str(state / "pid")]


def _vsftpd(services: Services, host: Host) -> list[str]:
    """A store that anybody may put files into."""
    root, jail = services.work / f"ftp-{host.name}", services.work / f"jail-{host.name}"
    root.mkdir(mode=0o755)
    jail.mkdir(mode=0o755)
    (root / "in").mkdir()
    (root / "in").chmod(0o777)
    conf = services.work / f"vsftpd-{host.name}.conf"
    lines = {
        "listen": "YES",
        "background": "NO",
        "anonymous_enable": "YES",
        "no_anon_password": "YES",
        "anon_root": str(root),
        "anon_upload_enable": "YES",
        "anon_other_write_enable": "YES",
        "write_enable": "YES",
        "secure_chroot_dir": str(jail),
        "seccomp_sandbox": "NO",
        "xferlog_enable": "NO",
    }
    conf.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    return ["vsftpd", str(conf)]


def _responder(kind: str) -> Callable[[Services, Host], list[str]]:
    return lambda _services, _host: [sys.executable, "-m", machine_protocols.__name__, kind]


DAEMONS: dict[str, Callable[[Services, Host], list[str]]] = {
    "mqtt": _mosquitto,
    "snmp": _snmpd,
    "ftp": _vsftpd,
    "syslog": _responder("serve-syslog"),
    "modbus": _responder("serve-modbus"),
    "hl7": _responder("serve-hl7"),
}
"""What a host of a role runs."""
