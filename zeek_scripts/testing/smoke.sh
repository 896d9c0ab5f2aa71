#!/bin/sh
# The package's test: one Zeek reads a small file with the package loaded, another one receives.
# They talk through sockets in a fresh folder, so no agent of this machine is disturbed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
zeek=${ZEEK:-zeek}
work=$(mktemp -d)
receiver=
trap 'test -z "$receiver" || kill "$receiver" 2>/dev/null || :; rm -rf "$work"' EXIT

# As zkg stages it, or as it is in a checkout that is on ZEEKPATH.
package=metatap
"$zeek" -a packages/metatap 2>/dev/null && package=packages/metatap

backend=Cluster::Backend::ZeroMQ
in=ipc://$work/in
out=ipc://$work/out
ends="$backend::connect_xpub_endpoint=$in $backend::connect_xsub_endpoint=$out"

cd "$work"
mkdir receiver sender
(cd receiver && exec "$zeek" policy/frameworks/cluster/backend/zeromq/connect \
    "$package/wire" "$here/receiver.zeek" $ends \
    "$backend::listen_xsub_endpoint=$in" "$backend::listen_xpub_endpoint=$out") &
receiver=$!
(cd sender && "$zeek" -r "$here/smoke.pcap" "$package" $ends Metatap::wait_timeout=60sec)

status=0
wait "$receiver" || status=$?
receiver=
exit $status
