"""What machines do in the lab: sensors, controllers, cameras, monitors at a bedside."""

import json
import sys
from collections.abc import Callable

from tests.lab import machine_protocols
from tests.lab.actor import Actor

_MODBUS_PERIOD_S = 4.0
_STILL_BYTES = (8_000, 120_000)
_EVENTS = ("door open", "door shut", "pressure back in range", "self test passed", "login local")


def _reading(actor: Actor) -> str:
    values = [round(actor.rng.gauss(21, 3), 2) for _ in range(actor.rng.randint(1, 12))]
    return json.dumps({"device": actor.host.name, "values": values})


def mqtt_publish(actor: Actor) -> None:
    """A sensor wakes up, publishes one reading and leaves."""
    topic, level = f"site/{actor.host.name}/reading", str(actor.rng.choice((0, 0, 1)))
    words = ["-h", actor.pick("mqtt").addr, "-t", topic, "-q", level, "-m", _reading(actor)]
    actor.run(["mosquitto_pub", *words])


def mqtt_listen(actor: Actor) -> None:
    """A gateway listens to all readings for most of the run."""
    seconds = round(0.7 * actor.services.network.duration_s)
    words = ["-h", actor.pick("mqtt").addr, "-t", "site/#", "-W", str(seconds)]
    actor.run(["mosquitto_sub", *words], limit_s=240)


def report(actor: Actor) -> None:
    """A device posts a reading to its collector over HTTP or HTTPS."""
    words = ["-H", "Content-Type: application/json", "-d", _reading(actor)]
    actor.curl(*words, f"{actor.base(actor.pick('store'))}/form", "-o", "/dev/null")


def syslog(actor: Actor) -> None:
    """One message to the log host."""
    words = ["-d", "-n", actor.pick("syslog").addr, "-P", str(machine_protocols.SYSLOG_PORT)]
    actor.run(["logger", *words, "-t", actor.host.name, actor.rng.choice(_EVENTS)])


def snmp_poll(actor: Actor) -> None:
    """A management station reads counters of every agent, now and then a whole table."""
    options = ["-v2c", "-c", "public", "-r", "1", "-t", "2"]
    for host in actor.servers("snmp"):
        if actor.rng.random() < 0.15:
            actor.run(["snmpbulkwalk", *options, host.addr, "1.3.6.1.2.1.2"])
        else:
            names = ["1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.2.2.1.10.1", "1.3.6.1.2.1.2.2.1.16.1"]
            actor.run(["snmpget", *options, host.addr, *names])


def modbus_poll(actor: Actor) -> None:
    """A historian reads all controllers every few seconds for most of the run."""
    seconds = str(0.85 * actor.services.network.duration_s)
    addresses = [host.addr for host in actor.servers("modbus")]
    words = ["poll-modbus", seconds, str(_MODBUS_PERIOD_S), *addresses]
    actor.run([sys.executable, "-m", machine_protocols.__name__, *words], limit_s=240)


def still(actor: Actor) -> None:
    """A camera puts a picture on the FTP store."""
    path = actor.services.work / f"still-{actor.host.name}"
    path.write_bytes(actor.rng.randbytes(actor.rng.randint(*_STILL_BYTES)))
    url = f"ftp://{actor.pick('inbox').addr}/in/{actor.host.name}-{actor.rng.randrange(10**6)}"
    actor.run(["curl", "-s", "-m", "20", "-T", str(path), url])


def hl7(actor: Actor) -> None:
    """A bedside monitor sends a few observations to the interface engine."""
    words = ["send-hl7", actor.pick("hl7").addr, str(actor.rng.randint(1, 5))]
    actor.run([sys.executable, "-m", machine_protocols.__name__, *words])


ACTIONS: tuple[Callable[[Actor], None], ...] = (
    *(mqtt_publish, mqtt_listen, report, syslog, snmp_poll, modbus_poll, still, hl7),
)

GOES_TO = {
    "mqtt_publish": "mqtt",
    "mqtt_listen": "mqtt",
    "report": "store",
    "syslog": "syslog",
    "snmp_poll": "snmp",
    "modbus_poll": "modbus",
    "still": "inbox",
    "hl7": "hl7",
}
"""Action → the role of the servers it goes to."""
