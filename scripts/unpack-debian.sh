#!/usr/bin/env bash
# Unpacks a small Debian with the package of this tree beside it (/first.deb, and /second.deb with a higher version), for
# scripts/check-package.sh and scripts/check-units.sh. Makes that Debian with debootstrap the first time, and keeps it as a tar.
#   scripts/unpack-debian.sh DIRECTORY
# Needs root, a built binary (POLLUX_BIN, else the debug binary) and Debian's package debootstrap, which it unpacks into .build.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$1
pollux=${POLLUX_BIN:-$PWD/.build/debug/pollux}
suite=${POLLUX_CHECK_SUITE:-bookworm}
fail() { echo "$*" >&2; exit 1; }
[[ -x $pollux ]] || fail "$pollux is missing: run swift build first."
((EUID == 0)) || fail "Only root can make a Debian in a directory: run it with sudo."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/pollux/$suite-$(dpkg --print-architecture).tar
if [[ ! -f $cache ]]; then
    echo "Making a small Debian ($suite), once."
    tools=$PWD/.build/debootstrap
    if [[ ! -d $tools ]]; then
        download() { (cd "$root" && apt-get download -qq debootstrap 2>/dev/null); }
        # A fresh machine has no lists of packages yet.
        download || { apt-get update -qq 2>/dev/null && download; } || fail "Debian's package debootstrap cannot be downloaded."
        dpkg-deb -x "$root"/debootstrap_*.deb "$tools"
        rm "$root"/debootstrap_*.deb
    fi
    DEBOOTSTRAP_DIR=$tools/usr/share/debootstrap "$tools/usr/sbin/debootstrap" --variant=minbase "$suite" "$root/new" \
        http://deb.debian.org/debian >"$root/debootstrap.log" 2>&1 || { tail -20 "$root/debootstrap.log" >&2; fail debootstrap; }
    mkdir -p "$(dirname "$cache")"
    tar -C "$root/new" --one-file-system -cf "$cache.part" .
    mv "$cache.part" "$cache"
    rm -rf "$root/new" "$root/debootstrap.log"
fi
tar -C "$root" -xf "$cache"
# Its other users go through it.
chmod 755 "$root"
# A check needs no synced disk.
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"

# Packages for a check need little compression.
export DPKG_DEB_COMPRESSOR_TYPE=gzip DPKG_DEB_COMPRESSOR_LEVEL=1 POLLUX_BIN=$pollux POLLUX_PACKAGE_DIRECTORY=$root/packages
scripts/build-package.sh >/dev/null
mv "$root"/packages/pollux_*.deb "$root/first.deb"
POLLUX_PACKAGE_VERSION="$("$pollux" --version)+check" scripts/build-package.sh >/dev/null
mv "$root"/packages/pollux_*.deb "$root/second.deb"
rm -r "$root/packages"
# A debug binary uses the libraries of Swift that this machine has.
ldd "$pollux" | sed -n 's/.* => \(\/[^ ]*\/swift\/[^ ]*\) .*/\1/p' | while read -r library; do
    install -D "$library" "$root$library"
done
