"""What to look at first when an alert comes: one short hint a technique, one a service.

Extend the tables; a sub-technique without a hint of its own has that of its technique.
"""

from __future__ import annotations

from collections.abc import Sequence

TECHNIQUES: dict[str, str] = {
    "T1021": "Who logged in to the responder, and whether that account may do so from there.",
    "T1041": "Bytes sent to this responder over the last days, and what it is.",
    "T1046": "Other hosts and ports this originator tried; whether it is a scanner of your own.",
    "T1048": "Bytes sent to this responder over the last days, and what it is.",
    "T1071": "How regularly the originator calls this responder, and which process does.",
    "T1071.001": "The Host header, URI and user agent, and how regularly they come back.",
    "T1071.004": "The names asked for: long, random, many below one domain; who owns that domain.",
    "T1090": "Where the responder relays to, and who runs it.",
    "T1105": "The file that was fetched (files.log), and what ran on the originator afterwards.",
    "T1110": "Whether an attempt succeeded: a longer session of the same pair right after it.",
    "T1110.001": "Whether a login succeeded (auth_success in ssh.log, the server's own log).",
    "T1190": "The server's own log at that time, and what it called out to afterwards.",
    "T1498": "Load of the responder, and whether the sources are real.",
    "T1499": "Load of the responder, and whether the sources are real.",
    "T1567": "Which service the data went to, how much of it, and from whose account.",
    "T1568": "Names not found before this flow, and the age of the domain.",
    "T1571": "Which program listens on that port of the responder.",
    "T1572": "What the tunnel carries: bytes and duration against usual flows of that service.",
    "T1573": "Certificate, server name and how regularly the originator calls this responder.",
    "T1595": "Whether the originator is outside, and which of the services it found are open.",
}
"""ATT&CK technique → hint."""

SERVICES: dict[str, str] = {
    "dce_rpc": "dce_rpc.log: endpoint and operation.",
    "dns": "dns.log: the names, their types and the answers.",
    "ftp": "ftp.log: user, command and file.",
    "http": "http.log: host, URI, user agent and status.",
    "krb": "kerberos.log: client, service and error.",
    "ldap": "ldap.log: what was searched for.",
    "ntlm": "ntlm.log: user and host name.",
    "quic": "quic.log: server name.",
    "rdp": "rdp.log: cookie, result and security protocol.",
    "smb": "smb_files.log and smb_mapping.log: shares and files.",
    "smtp": "smtp.log: sender, recipients and subject.",
    "ssh": "ssh.log: client banner, attempts and auth_success.",
    "ssl": "ssl.log and x509.log: server name and certificate.",
}
"""Zeek's service → hint."""

NO_SERVICE = "conn.log: state and history; no protocol was recognised."

ANY = "Other alerts of the originator, and whether it is expected to do this."
"""The last hint of every alert."""


def hints(techniques: Sequence[str], service: str) -> list[str]:
    """What to check, the most specific first.

    Args:
        techniques: ATT&CK ids of the pack.
        service: Zeek's `service` of the flow, comma-joined, "" if absent.
    """
    found = [
        TECHNIQUES[known]
        for name in techniques
        for known in [name if name in TECHNIQUES else name.partition(".")[0]]
        if known in TECHNIQUES
    ]
    words = [word.lstrip("-").lower() for word in service.split(",") if word]
    found += [SERVICES[word] for word in words if word in SERVICES] if words else [NO_SERVICE]
    return list(dict.fromkeys([*found, ANY]))
