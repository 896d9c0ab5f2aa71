"""Every option of every type of sink, once; as `options` is for the others."""

from __future__ import annotations

from metatap.formats import FORMATS
from metatap.packs import Severity
from metatap.runtime.forms import boolean, choice, names, number, numbers, path, text, whole
from metatap.runtime.option import Option
from metatap.sinks.syslog_message import EXAMPLE_ENTERPRISE, FACILITIES

COMMON: tuple[Option, ...] = (
    Option(
        "name",
        text("a name", empty=True),
        "",
        "Names the sink in log, status and spool; its type and place by default.",
    ),
    Option("format", choice(*FORMATS), "ecs", "The language alerts are written in (formats.md)."),
    Option(
        "severities",
        numbers("a mapping of severities to numbers", [severity.value for severity in Severity]),
        {},
        "Other numbers for severities in this format, e.g. `{high: 9}`.",
    ),
    Option(
        "min_severity",
        choice(*(severity.value for severity in Severity)),
        "low",
        "Alerts of packs below this severity are not for this sink.",
    ),
    Option("packs", names("a list of packs"), (), "Only alerts of these packs; empty for all."),
)
"""What every sink can be told."""

_TIMEOUT = Option(
    "timeout", number(0.1, 600, "seconds"), 10.0, "How long a receiver may take nothing."
)
TLS: tuple[Option, ...] = (
    Option(
        "ca_file",
        path(),
        "",
        "Certificates (PEM) of those that may vouch for the receiver; the system's by default.",
    ),
    Option(
        "certificate",
        path(),
        "",
        "The sensor's own certificate with its chain (PEM), where the receiver asks for one.",
    ),
    Option("key", path(), "", "Its private key (PEM, not encrypted); in the same file by default."),
    Option(
        name="verify",
        form=boolean(),
        default=True,
        why="Check the receiver's certificate and name; without, anybody can read what is sent.",
    ),
    Option(
        "server_name",
        text("a name", empty=True),
        "",
        "Name that the receiver's certificate must bear; that of the address by default.",
    ),
    Option("tls_minimum", choice("1.2", "1.3"), "1.2", "The oldest version of TLS that is spoken."),
)
MESSAGE: tuple[Option, ...] = (
    Option("facility", choice(*FACILITIES), "local0", "The facility of the messages."),
    Option(
        "levels",
        numbers("a mapping of severities to numbers", [severity.value for severity in Severity]),
        {},
        "Other syslog severities, 0 to 7, than notice, warning, error and critical.",
    ),
    Option("hostname", text("a name", empty=True), "", "HOSTNAME; the system's name by default."),
    Option("app_name", text("a name"), "metatap", "APP-NAME."),
    Option(
        "enterprise",
        whole(0, 2**32 - 1),
        EXAMPLE_ENTERPRISE,
        "Number under which STRUCTURED-DATA holds the alert's id; 0 for no STRUCTURED-DATA.",
    ),
    Option(
        name="bom",
        form=boolean(),
        default=False,
        why="Begin the text with a byte order mark, which says by RFC 5424 that it is UTF-8.",
    ),
    Option(
        "max_size",
        whole(0, 2**20, "bytes"),
        0,
        "A longer message is refused as `too_big`; 0 for 8,192 over UDP and 65,536 otherwise.",
    ),
)


def _secret(name: str, words: str) -> tuple[Option, ...]:
    return (
        Option(f"{name}_file", path(), "", f"A file that holds {words} and nothing else."),
        Option(
            f"{name}_variable",
            text("the name of a variable", empty=True),
            "",
            f"An environment variable that holds {words}.",
        ),
    )


SINK_OPTIONS: dict[str, tuple[Option, ...]] = {
    "file": (
        Option("path", path(empty=False), None, "The file; alerts are appended, one a line."),
        Option(
            name="fsync",
            form=boolean(),
            default=False,
            why="Wait for the disk after each batch: nothing is lost in a power cut, but slower. "
            "With `state` that is always so.",
        ),
    ),
    "stdout": (),
    "zeek": (
        Option(
            "address",
            text("an address"),
            "tcp://127.0.0.1:5556",
            "Where Zeek hears of events, as ZeroMQ writes it: the proxy of a cluster, or with "
            "`bind` what a Zeek without one connects to, `tcp://127.0.0.1:5555`.",
        ),
        Option(
            name="bind",
            form=boolean(),
            default=False,
            why="Bind the address instead of connecting to it.",
        ),
    ),
    "syslog": (
        Option("host", text("a name or address"), None, "The receiver."),
        Option("port", whole(0, 65535), 0, "Its port; 0 for 514, over TLS 6514."),
        Option(
            "transport",
            choice("udp", "tcp", "tls"),
            "tcp",
            "UDP loses alerts silently; TCP and TLS send the last ones again after a reconnect.",
        ),
        Option(
            "framing",
            choice("octet_counting", "newline"),
            "octet_counting",
            "How messages are told apart over TCP (RFC 6587); TLS counts octets.",
        ),
        _TIMEOUT,
        *MESSAGE,
        *TLS,
    ),
    "relp": (
        Option("host", text("a name or address"), None, "The receiver."),
        Option("port", whole(1, 65535), 2514, "Its port."),
        Option(name="tls", form=boolean(), default=False, why="Speak TLS."),
        _TIMEOUT,
        *MESSAGE,
        *TLS,
    ),
    "elasticsearch": (
        Option("url", text("a URL"), None, "`https://host:9200`; OpenSearch is the same to us."),
        Option("index", text("a name"), "metatap-alerts", "The index or data stream."),
        Option("user", text("a name", empty=True), "", "The user, where there is a password."),
        *_secret("password", "the user's password"),
        *_secret("api_key", "an API key, encoded as the product gives it"),
        Option(name="compress", form=boolean(), default=True, why="Send gzip."),
        Option("batch", whole(1, 10_000, "alerts"), 500, "Alerts of one request, at most."),
        _TIMEOUT,
        *TLS,
    ),
    "splunk": (
        Option("url", text("a URL"), None, "`https://host:8088`, the HTTP Event Collector."),
        *_secret("token", "the collector's token"),
        Option(
            name="acknowledge",
            form=boolean(),
            default=False,
            why="Wait until events are indexed; the token has to have it turned on. Without, what "
            "Splunk took and lost is lost.",
        ),
        Option("ack_timeout", number(1, 3600, "seconds"), 60.0, "How long that may take."),
        Option("index", text("a name", empty=True), "", "The index; the token's by default."),
        Option("source", text("a name", empty=True), "metatap", "The events' source."),
        Option("sourcetype", text("a name", empty=True), "_json", "How Splunk reads them."),
        Option("host_field", text("a name", empty=True), "", "Their host; the system's name."),
        Option(name="compress", form=boolean(), default=True, why="Send gzip."),
        Option("batch", whole(1, 10_000, "alerts"), 200, "Alerts of one request, at most."),
        _TIMEOUT,
        *TLS,
    ),
}
"""Type of sink → its own options; a default of None must be given."""


def options_of(kind: str) -> tuple[Option, ...]:
    """All options of a type of sink."""
    return (*SINK_OPTIONS[kind], *COMMON)
