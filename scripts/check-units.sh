#!/usr/bin/env bash
# Boots a small Debian with systemd and the package in a container (systemd-nspawn), and checks the units there: start, reload,
# sockets, watchdog, restrictions, programs that take notifications, an upgrade under a running daemon, a user's daemon, removal.
#   scripts/check-units.sh                   with the debug binary
#   POLLUX_BIN=… scripts/check-units.sh      with another one
# Needs root, a built binary, Debian's package systemd-container, and the network for Debian's packages.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v systemd-nspawn >/dev/null || { echo "systemd-nspawn is missing: apt-get install systemd-container" >&2; exit 1; }
root=$(mktemp -d "${TMPDIR:-/tmp}/pollux-units.XXXXXX")
trap 'rm -rf "$root"' EXIT
trap 'exit 130' INT TERM

scripts/unpack-debian.sh "$root"
chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive /bin/sh -ec '
    apt="apt-get -qq -o APT::Sandbox::User=root"
    $apt update
    $apt install -y --no-install-recommends systemd systemd-sysv dbus dbus-user-session libpam-systemd curl /first.deb
    useradd -m member && usermod -aG pollux member
    useradd -m stranger' >"$root/apt.log" 2>&1 || { tail -30 "$root/apt.log" >&2; exit 1; }
install -m 755 scripts/check-units-inside.sh "$root/check.sh"
cat >"$root/etc/systemd/system/check.service" <<'UNIT'
[Unit]
After=basic.target dbus.service systemd-logind.service
[Service]
Type=oneshot
ExecStart=/check.sh
ExecStopPost=-/usr/bin/systemctl poweroff --no-block
StandardOutput=file:/result.log
StandardError=file:/result.log
TimeoutStartSec=1200
[Install]
WantedBy=multi-user.target
UNIT
chroot "$root" systemctl enable -q check.service 2>/dev/null
timeout 1500 systemd-nspawn --quiet --register=no --keep-unit -D "$root" --boot >"$root/boot.log" 2>&1 </dev/null || true
cat "$root/result.log" 2>/dev/null || tail -40 "$root/boot.log"
grep -q '^PASS$' "$root/result.log"
