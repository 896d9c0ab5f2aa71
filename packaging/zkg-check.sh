#!/bin/bash
# Installs the Zeek package as a user would: with the real zkg, which runs the package's own test, from
# a copy of the working tree, into a folder that is gone afterwards.
#
# Usage: zkg-check.sh
#   ZEEK  the zeek to use, zeek-config beside it; zeek of the PATH
#   ZKG   the zkg to use; zkg of the PATH
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
zeek=$(command -v "${ZEEK:-zeek}" || :)
if [ -z "$zeek" ] || [ ! -x "$(dirname "$zeek")/zeek-config" ]; then
    echo "skipped: no Zeek with zeek-config on the PATH or named by ZEEK"
    exit 0
fi
PATH=$(dirname "$zeek"):$PATH
export PATH
unset ZEEK
zkg=${ZKG:-zkg}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
mkdir "$work/metatap" "$work/state" "$work/scripts" "$work/plugins" "$work/bin"
(cd "$top" && git ls-files -z --cached --others --exclude-standard zkg.meta zeek_scripts |
    while IFS= read -r -d '' name; do [ ! -e "$name" ] || printf '%s\0' "$name"; done |
    tar --create --null --files-from=-) | tar --extract --directory "$work/metatap"
cd "$work/metatap"
git init --quiet --initial-branch=main
git add .
git -c user.name=check -c user.email=check@localhost commit --quiet --message "As it is"

cat >"$work/zkg.conf" <<CONF
[sources]
[paths]
state_dir = $work/state
script_dir = $work/scripts
plugin_dir = $work/plugins
bin_dir = $work/bin
zeek_dist =
CONF
run() { "$zkg" --configfile "$work/zkg.conf" "$@"; }

run install --force "$work/metatap"
run load metatap
ZEEKPATH=$work/scripts:$(zeek-config --zeekpath)
export ZEEKPATH
"$zeek" --parse-only packages
"$zeek" --parse-only metatap
run list installed
run remove --force metatap
left=$(find "$work/scripts" -path '*metatap*' -name '*.zeek')
test -z "$left" || { echo "left behind: $left"; exit 1; }
echo "ok: installed, tested, loaded, removed"
