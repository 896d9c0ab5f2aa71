#!/bin/sh
# Builds metatap_VERSION_ARCH.deb: a Python environment of its own in /usr/lib/metatap, over the
# system's interpreter, whose minor version the package then depends on.
#
# Usage: build.sh [FOLDER]
#   FOLDER        where the package is left; dist
#   EXTRAS        extras of metatap that come with it; fast (numba) brings compiled.conf into force
#   DEB_REVISION  of the version; 1
#   COMPRESS      xz, gzip or none; xz
#   PIP           a pip 22.3 or newer; python3 -m pip
#   PYTHON        the interpreter of the machines it is for; /usr/bin/python3
set -eu
umask 022

top=$(cd "$(dirname "$0")/../.." && pwd)
out=${1:-$top/dist}
pip=${PIP:-python3 -m pip}
python=${PYTHON:-/usr/bin/python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
lib=$root/usr/lib/metatap
doc=$root/usr/share/doc/metatap
export PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$top" log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

$pip wheel --quiet --no-deps --wheel-dir "$work" "$top"
wheel=$(echo "$work"/metatap-*.whl)
version=$(basename "$wheel" | cut -d- -f2)-${DEB_REVISION:-1}
arch=$(dpkg --print-architecture)

mkdir -p "$root/usr/bin" "$root/usr/lib" "$doc"
"$python" -m venv --without-pip --symlinks "$lib"
$pip --python "$lib/bin/python" install --quiet --no-compile "$wheel${EXTRAS:+[$EXTRAS]}"
minor=$("$lib/bin/python" -c 'import sys; print(sys.version_info.minor)')

# What names the folder it was built in, and what only an activated environment would use.
find "$lib/bin" -type f -delete
rm -rf "$lib/include" "$lib"/lib/python3.*/site-packages/metatap-*.dist-info/direct_url.json
sed -i '/^command = /d' "$lib/pyvenv.cfg"
find "$lib" -name tests -type d -path '*/numpy/*' -prune -exec rm -rf {} +
# Checked against no time stamp, so that nobody who may write here ever writes them anew.
"$lib/bin/python" -m compileall -q -s "$root" -p / --invalidation-mode unchecked-hash "$lib/lib"

install -m 755 "$top/packaging/deb/metatap.sh" "$root/usr/bin/metatap"
install -D -m 644 -t "$root/usr/lib/systemd/system" "$top/packaging/systemd/metatap.service"
install -D -m 644 "$top/packaging/systemd/metatap.sysusers" "$root/usr/lib/sysusers.d/metatap.conf"
install -D -m 644 "$top/packaging/systemd/metatap.tmpfiles" "$root/usr/lib/tmpfiles.d/metatap.conf"
case ",${EXTRAS:-}," in
*,fast,*)
    install -D -m 644 -t "$root/usr/lib/systemd/system/metatap.service.d" \
        "$top/packaging/systemd/compiled.conf"
    ;;
esac
install -D -m 644 -t "$root/etc/metatap" "$top/packaging/deb/metatap.yaml"
install -d -m 755 "$root/etc/metatap/conf.d"
install -D -m 644 -t "$root/etc/metatap/packs" "$top"/agent/metatap/packs/starter/*.yaml
install -D -m 644 "$top/packaging/deb/logrotate" "$root/etc/logrotate.d/metatap"
install -d -m 755 "$root/usr/share/metatap"
cp -R "$top/zeek_scripts" "$root/usr/share/metatap/zeek"
install -m 644 "$top/packaging/metatap.yaml" "$top/docs/install.md" "$doc"
install -m 644 "$top/LICENSE" "$doc/copyright"
gzip -9n <"$top/CHANGELOG.md" >"$doc/changelog.gz"
chmod -R u=rwX,go=rX "$root"

mkdir "$root/DEBIAN"
install -m 755 -t "$root/DEBIAN" "$top"/packaging/deb/postinst "$top"/packaging/deb/prerm \
    "$top"/packaging/deb/postrm
(cd "$root" && find etc -type f | sort | sed 's|^|/|') >"$root/DEBIAN/conffiles"
(cd "$root" && find usr etc -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
cat >"$root/DEBIAN/control" <<CONTROL
Package: metatap
Version: $version
Architecture: $arch
Maintainer: ${DEB_MAINTAINER:-metatap <root@localhost>}
Section: net
Priority: optional
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Depends: python3 (>= 3.$minor~), python3 (<< 3.$((minor + 1))), python3.$minor, libc6, libstdc++6, systemd, init-system-helpers, passwd, procps
Suggests: logrotate
Description: sensor for Zeek taps that learns a new threat from five labelled flows
 A rule is a handful of labelled connections: a meta-learned model turns them into a detector. The
 agent reads Zeek's connections over ZeroMQ, scores them with ONNX Runtime and writes alerts in the
 Elastic Common Schema.
CONTROL

mkdir -p "$out"
dpkg-deb --root-owner-group "-Z${COMPRESS:-xz}" --build "$root" "$out/metatap_${version}_$arch.deb" >/dev/null
echo "$out/metatap_${version}_$arch.deb"
