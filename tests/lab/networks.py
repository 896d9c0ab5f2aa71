"""The two networks as data: same code, clearly different shapes.

Addresses beyond the private ranges are those reserved for documentation. Every attack starts at
a client that also makes benign traffic to other hosts, and :func:`check` proves that the two
addresses of a connection decide its label.
"""

from tests.lab.spec import (
    Beacon,
    BruteForce,
    Habit,
    Host,
    Link,
    Network,
    PortScan,
    SshStyle,
    Subnet,
    Tunnel,
    WebStyle,
)


def _host(name: str, subnet: str, addr: str, roles: str, fqdn: str = "") -> Host:
    return Host(name, subnet, addr, frozenset(roles.split()), fqdn)


_SCAN_A = "1-260,389,443,445,631,993,1433,1521,2049,3306,3389,5432,5900,6379,8080,8443,9200"
_SCAN_B = "20-89,110,135,139,143,443,445,1433,3306,3389,5432,5900,8000-8020,8080,8443"
_IMPLANT_AGENT = "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)"
_DARK_B = tuple(f"172.22.30.{last}" for last in (201,))

OFFICE = Network(
    name="A",
    title="office: two routed subnets and an outside, about 10 ms one way, MTU 1500",
    domain="corp.example",
    duration_s=205.0,
    link=Link(delay_ms=(9.0, 12.0), loss=0.0, rate_mbit=200.0, mtu=1500),
    transit=("10.20.255.1", "10.20.255.2"),
    subnets=(
        Subnet("staff", "edge", 24, "10.20.1.1"),
        Subnet("servers", "core", 24, "10.20.2.1"),
        Subnet("outside", "core", 24, "198.51.100.1"),
    ),
    hosts=(
        _host("ws1", "staff", "10.20.1.11", "desk git"),
        _host("ws2", "staff", "10.20.1.12", "desk push"),
        _host("ws3", "staff", "10.20.1.13", "desk"),
        _host("ws4", "staff", "10.20.1.14", "desk outside-dns"),
        _host("ws5", "staff", "10.20.1.15", "desk push"),
        _host("ws6", "staff", "10.20.1.16", "desk"),
        _host("nms", "staff", "10.20.1.50", "monitor"),
        _host("batch", "staff", "10.20.1.51", "resolver broken"),
        _host("dns", "servers", "10.20.2.2", "dns", "ns1.corp.example"),
        _host("web1", "servers", "10.20.2.10", "web browse", "intranet.corp.example"),
        _host("files", "servers", "10.20.2.11", "web store ssh", "files.corp.example"),
        _host("git", "servers", "10.20.2.12", "ssh", "git.corp.example"),
        _host("bastion", "servers", "10.20.2.13", "ssh", "bastion.corp.example"),
        _host("mon", "servers", "10.20.2.20", "web status hub ntp", "status.corp.example"),
        _host("app1", "servers", "10.20.2.30", "web browse ssh closed", "app1.corp.example"),
        _host("db1", "servers", "10.20.2.31", "ssh closed", "db1.corp.example"),
        _host("dark", "servers", "10.20.2.40", "dark", "old.corp.example"),
        _host("pubdns", "outside", "198.51.100.9", "dns", "resolver.example.net"),
        _host("site1", "outside", "198.51.100.20", "web browse", "www.kestreltimes.example"),
        _host("site2", "outside", "198.51.100.21", "web browse store", "cdn.foxglove.example"),
        _host("c2", "outside", "198.51.100.77", "web c2", "telemetry.brightpath.example"),
        _host("tun", "outside", "198.51.100.88", "ssh web far-end", "ns.relaypost.example"),
    ),
    web=WebStyle(
        pages=14,
        page_bytes=(2_000, 30_000),
        objects=(2, 9),
        object_bytes=(300, 24_000),
        file_bytes=(40_000, 700_000),
        status_bytes=9_000,
        keepalive_s=30,
        tls=("TLSv1.2", "TLSv1.3"),
        key=("-newkey", "rsa:2048"),
        extra=("gzip on;", "gzip_types text/css application/json;"),
        agents=(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 Safari/605.1.15",
        ),
    ),
    ssh=SshStyle(
        host_keys=("ed25519", "rsa"),
        options=("MaxAuthTries 6", "VersionAddendum Debian-2+office", "Compression no"),
        users=("alice", "bruno", "chandra", "deploy"),
        give_up=0.3,
    ),
    habits=(
        Habit("browse", "desk", 4.5),
        Habit("browse_parallel", "desk", 14),
        Habit("browse_fresh", "desk", 15),
        Habit("lookup", "desk", 5),
        Habit("download", "desk", 40),
        Habit("upload", "desk", 45),
        Habit("form", "desk", 22),
        Habit("ssh_key", "desk", 40),
        Habit("ssh_password", "desk", 70),
        Habit("ssh_typo", "desk", 80, limit=2),
        Habit("scp", "desk", 70),
        Habit("sftp", "desk", 90),
        Habit("ping", "desk", 45),
        Habit("clock", "desk", 32, steady=True),
        Habit("clock", "monitor", 16, steady=True),
        Habit("poll_status", "monitor", 10, steady=True),
        Habit("health", "monitor", 20, steady=True),
        Habit("lookup_batch", "resolver", 6),
        Habit("retry_closed", "broken", 14, steady=True, limit=15),
        Habit("retry_dark", "broken", 25, steady=True, limit=8),
        Habit("ssh_session", "git", 200, limit=1),
        Habit("push", "push", 200, limit=1),
    ),
    attacks=(
        PortScan("ws3", ("db1", "app1"), ("-sS", "-T4"), _SCAN_A, start_s=40),
        BruteForce("ws6", ("bastion",), ("alice", "root"), 170, ("-t", "10"), start_s=40),
        Tunnel(
            *("ws4", ("tun",), "t.relaypost.example", "10.53.0"),
            flags=("-T", "NULL"),
            sessions=8,
            session_s=20,
            start_s=8,
        ),
        Beacon(
            source="ws2",
            targets=("c2",),
            port=80,
            uri="/v2/check",
            post_uri="/v2/submit",
            agent=_IMPLANT_AGENT,
            interval_s=3.6,
            jitter=0.2,
            post_every=9,
            post_bytes=(200, 1_500),
            reply="idle",
            start_s=5,
        ),
    ),
    outside_names=("kestreltimes.example", "foxglove.example", "mapleweather.example"),
    web_ports=(("http", 80), ("https", 443)),
)

BRANCH = Network(
    name="B",
    title="branch: half the clients behind NAT, 25 to 40 ms one way, 0.5 % loss, MTU 1400",
    domain="depot.test",
    duration_s=215.0,
    link=Link(delay_ms=(25.0, 40.0), loss=0.005, rate_mbit=25.0, mtu=1400),
    transit=("172.22.255.1", "172.22.255.2"),
    subnets=(
        Subnet("counter", "edge", 25, "172.22.10.1"),
        Subnet("floor", "edge", 24, "192.168.40.1", nat="172.22.9.1"),
        Subnet("hq", "core", 24, "172.22.30.1"),
        Subnet("inet", "core", 24, "203.0.113.1"),
    ),
    hosts=(
        _host("pos1", "counter", "172.22.10.21", "desk"),
        _host("pos2", "counter", "172.22.10.22", "desk"),
        _host("pos3", "counter", "172.22.10.23", "desk git outside-dns"),
        _host("floor1", "floor", "192.168.40.101", "desk"),
        _host("floor2", "floor", "192.168.40.102", "desk push"),
        _host("floor3", "floor", "192.168.40.103", "desk outside-dns"),
        _host("probe", "counter", "172.22.10.90", "monitor"),
        _host("sync", "floor", "192.168.40.110", "resolver broken"),
        _host("dc", "hq", "172.22.30.5", "dns", "dc.depot.test"),
        _host("erp", "hq", "172.22.30.15", "web browse", "erp.depot.test"),
        _host("nas", "hq", "172.22.30.16", "web store ssh", "nas.depot.test"),
        _host("build", "hq", "172.22.30.17", "ssh", "build.depot.test"),
        _host("jump", "hq", "172.22.30.18", "ssh", "jump.depot.test"),
        _host("watch", "hq", "172.22.30.25", "web status hub ntp", "watch.depot.test"),
        _host("till", "hq", "172.22.30.26", "web browse ssh closed", "till.depot.test"),
        _host("ldap", "hq", "172.22.30.27", "ssh closed", "ldap.depot.test"),
        Host("dark", "hq", "172.22.30.200", frozenset({"dark"}), "gone.depot.test", _DARK_B),
        _host("pubdns", "inet", "203.0.113.53", "dns", "dns.quadnine.test"),
        _host("shop", "inet", "203.0.113.61", "web browse", "shop.larkmail.test"),
        _host("cloud", "inet", "203.0.113.62", "web browse store", "cloud.larkmail.test"),
        _host("c2", "inet", "203.0.113.140", "web c2", "img.softfeed.test"),
        _host("tun", "inet", "203.0.113.150", "ssh web far-end", "a.statusping.test"),
    ),
    web=WebStyle(
        pages=8,
        page_bytes=(12_000, 90_000),
        objects=(1, 5),
        object_bytes=(2_000, 40_000),
        file_bytes=(20_000, 500_000),
        status_bytes=26_000,
        keepalive_s=0,
        tls=("TLSv1.2",),
        key=("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        extra=("server_tokens off;",),
        agents=(
            "Mozilla/5.0 (Linux; Android 11; TC21) AppleWebKit/537.36 Chrome/109.0 Mobile",
            "DepotTill/3.18 (qt5; build 811)",
            "Mozilla/5.0 (Windows NT 6.3; Win64; x64) AppleWebKit/537.36 Edge/18.17763",
        ),
    ),
    ssh=SshStyle(
        host_keys=("ecdsa",),
        options=(
            "MaxAuthTries 6",
            "VersionAddendum hq",
            "KexAlgorithms diffie-hellman-group14-sha256,ecdh-sha2-nistp256",
            "Ciphers aes128-ctr,aes256-ctr",
            "MACs hmac-sha2-256",
        ),
        users=("nadia", "oskar", "press", "robot"),
        give_up=0.0,
    ),
    habits=(
        Habit("browse", "desk", 6),
        Habit("browse_parallel", "desk", 30),
        Habit("browse_fresh", "desk", 12),
        Habit("lookup", "desk", 3.5),
        Habit("download", "desk", 35),
        Habit("upload", "desk", 30),
        Habit("form", "desk", 9),
        Habit("ssh_key", "desk", 60),
        Habit("ssh_password", "desk", 60),
        Habit("ssh_typo", "desk", 60, limit=2),
        Habit("scp", "desk", 90),
        Habit("sftp", "desk", 60),
        Habit("ping", "desk", 25),
        Habit("clock", "desk", 64, steady=True),
        Habit("poll_status", "monitor", 10, steady=True),
        Habit("health", "monitor", 30, steady=True),
        Habit("lookup_batch", "resolver", 9),
        Habit("retry_closed", "broken", 11, steady=True, limit=18),
        Habit("retry_dark", "broken", 20, steady=True, limit=9),
        Habit("ssh_session", "git", 200, limit=1),
        Habit("push", "push", 200, limit=1),
    ),
    attacks=(
        PortScan(
            *("pos2", ("till", "ldap", "dark")),
            flags=("-sS", "-T3", "--max-rate", "5", "--max-retries", "1"),
            ports=_SCAN_B,
            start_s=12,
        ),
        BruteForce("floor1", ("jump",), ("nadia", "admin", "press"), 60, ("-t", "6"), start_s=15),
        Tunnel(
            *("floor3", ("tun",), "x.statusping.test", "10.99.7"),
            flags=("-T", "TXT", "-O", "Base64", "-M", "160"),
            sessions=7,
            session_s=22,
            start_s=20,
        ),
        Beacon(
            source="pos1",
            targets=("c2",),
            port=8080,
            uri="/feed/check",
            post_uri="/feed/submit",
            agent=_IMPLANT_AGENT,
            interval_s=4.3,
            jitter=0.4,
            post_every=6,
            post_bytes=(200, 1_500),
            reply="idle",
            start_s=3,
        ),
    ),
    outside_names=("larkmail.test", "quadnine.test", "tidewatch.test", "oakparcel.test"),
    web_ports=(("http", 80), ("https", 443), ("http", 8080)),
    record_types=("A", "AAAA", "TXT", "MX", "NS", "CNAME"),
)

NETWORKS = {network.name: network for network in (OFFICE, BRANCH)}


def check(network: Network) -> None:
    """Fail where a label could be ambiguous or a benign habit would find no server.

    Two attacks seen from one source must have different targets, and every client must keep
    at least one server of each kind that no attack of the same source goes to.
    """
    pairs = [
        (network.seen_as(attack.source), target)
        for attack in network.attacks
        for target in attack.targets
    ]
    if len(pairs) != len(set(pairs)):
        raise ValueError(f"two attacks of network {network.name} share source and target")
    clients = [host for host in network.hosts if network.subnet(host).side == "edge"]
    for client in clients:
        for role in ("dns", "browse", "store", "ssh", "status", "closed", "dark"):
            left = {host.name for host in network.having(role)} - network.off_limits(client.name)
            if not left and not (role in {"closed", "dark"} and "broken" not in client.roles):
                raise ValueError(f"{client.name} may use no server with role {role}")
