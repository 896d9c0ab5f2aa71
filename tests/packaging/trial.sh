#!/bin/sh
# Runs in a booted machine, as root: the life of the package, from its installation to its purge.
# Each line `ok NAME` or `failed NAME: …` of trial.log is a fact that tests/packaging/test_deb.py reads.
# The machine holds /root/first.deb, /root/second.deb and /root/branch.mtrec.
exec >/root/trial.log 2>&1
set -u
export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin

check() { # NAME COMMAND…
    name=$1
    shift
    if found=$("$@" 2>&1); then echo "ok $name"; else echo "failed $name: $found"; fi
}

until_true() { # SECONDS COMMAND…
    left=$1
    shift
    while ! "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ $left -gt 0 ] || return 1
        sleep 1
    done
}

active() { [ "$(systemctl show -p ActiveState --value metatap)" = active ]; }
main_pid() { systemctl show -p MainPID --value metatap; }
alerts() { grep -c '"kind":"opened"' /var/log/metatap/alerts.jsonl; }
some_alerts() { [ "$(alerts)" -ge "$1" ]; }
send() {
    /usr/lib/metatap/bin/python -I -c "
from pathlib import Path
from metatap.demo.send import send
print(send(Path('/root/branch.mtrec'), 'tcp://127.0.0.1:5556', wait_s=60))"
}
new_pid() { [ "$(main_pid)" != "$1" ] && [ "$(main_pid)" != 0 ] && active; }
has_status() { systemctl show -p StatusText --value metatap | grep -q "$1"; }
owned() { [ "$(stat -c %U:%a "$1")" = "$2" ]; }
no_trace() { # nothing of the package, its state and its user
    rest=$(find / -xdev \( -path /proc -o -path /sys -o -path /root -o -path /tmp -o -path /var/lib/dpkg \
        -o -path /var/log/journal -o -path /run \) -prune -o -iname '*metatap*' -print)
    echo "$rest"
    [ -z "$rest" ] && ! getent passwd metatap && ! getent group metatap
}

before=$(find /etc /usr /var /opt -xdev -iname '*metatap*')
check clean [ -z "$before" ]
check install dpkg --install /root/first.deb
check user getent passwd metatap
check enabled systemctl is-enabled metatap
check check metatap check
check started until_true 120 active
if ! active; then
    journalctl -u metatap --no-pager -o cat | tail -40
    exit 1
fi
check state-is-private owned /var/lib/metatap metatap:750
check ready has_status 'packs in force'
# With numba the drop-in that comes with it lets the loops be compiled; without, there is nothing to.
check compiled sh -c '! journalctl -u metatap | grep -E "twin_not_used|twin_uncached"'
metatap status --json | tr ',{' '\n\n' | grep '"compiled"' | head -1
echo "hardening $(systemd-analyze security metatap --no-pager 2>/dev/null | tail -1)"
echo "seccomp $(grep -E '^(Seccomp|NoNewPrivs|CapEff):' "/proc/$(main_pid)/status" | tr '\n\t' '  ')"
check sent send
check alerts until_true 60 some_alerts 5
check history until_true 30 sh -c 'metatap alerts | grep -q port-scan'
journalctl -u metatap --no-pager -o cat | grep -E 'warning|error' | sed 's/^/log /' | head -20

# A reload: a part of the configuration, in force without a restart.
pid=$(main_pid)
printf 'detector:\n  batch_rows: 1024\n' >/etc/metatap/conf.d/10-site.yaml
check reload systemctl reload metatap
check reloaded until_true 30 sh -c 'journalctl -u metatap | grep -q "reloaded.*config"'
check active-after-reload until_true 30 active
check same-process [ "$pid" = "$(main_pid)" ]

# A process that hangs is noticed and replaced.
mkdir -p /etc/systemd/system/metatap.service.d
printf '[Service]\nWatchdogSec=3\nTimeoutAbortSec=3\n' >/etc/systemd/system/metatap.service.d/trial.conf
systemctl daemon-reload
systemctl restart metatap
check restarted until_true 60 active
pid=$(main_pid)
sleep 8
check fed [ "$pid" = "$(main_pid)" ]
kill -STOP "$pid"
check watchdog until_true 90 new_pid "$pid"

# Several processes, under the same hardening.
printf '[Service]\nWatchdogSec=3\nExecStart=\nExecStart=/usr/bin/metatap run --shards 2\n' \
    >/etc/systemd/system/metatap.service.d/trial.conf
systemctl daemon-reload
systemctl restart metatap
check shards until_true 60 has_status '2 of 2 shards running'
pid=$(main_pid)
sleep 8
check shards-fed [ "$pid" = "$(main_pid)" ]
rm /etc/systemd/system/metatap.service.d/trial.conf
systemctl daemon-reload
systemctl restart metatap

# An upgrade keeps what the site wrote and what the agent learned.
echo '# of this site' >>/etc/metatap/metatap.yaml
rm /etc/metatap/packs/http-beacon.yaml
history=$(metatap alerts --json 2>/dev/null | wc -c)
pid=$(main_pid)
check upgrade dpkg --install --force-confold /root/second.deb
check upgraded until_true 120 new_pid "$pid"
check version sh -c 'dpkg -s metatap | grep -q "Version: .*-2"'
check config-kept grep -q 'of this site' /etc/metatap/metatap.yaml
check part-kept test -f /etc/metatap/conf.d/10-site.yaml
check pack-stays-deleted test ! -e /etc/metatap/packs/http-beacon.yaml
check three-packs until_true 30 has_status '3 packs in force'
check history-there [ "$history" -gt 100 ]
check history-kept [ "$history" -le "$(metatap alerts --json 2>/dev/null | wc -c)" ]
check stop systemctl stop metatap
check ended-well [ "$(systemctl show -p Result --value metatap)" = success ]

# A configuration with a fault: the service is not started, and its log names file and line.
printf 'detector:\n  threads: none\n' >/etc/metatap/conf.d/20-fault.yaml
systemctl start metatap
check fault-refused sh -c '! systemctl is-active metatap'
check fault-named sh -c 'journalctl -u metatap | grep -q "conf.d/20-fault.yaml:2: detector.threads"'
rm /etc/metatap/conf.d/20-fault.yaml
systemctl reset-failed metatap
systemctl start metatap

check remove dpkg --remove metatap
check config-outlives-remove test -f /etc/metatap/metatap.yaml
check state-outlives-remove test -f /var/lib/metatap/state.db
check purge dpkg --purge metatap
check no-trace no_trace
echo end
