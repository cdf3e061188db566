#!/usr/bin/env bash
# Installs, upgrades, removes and purges the Debian package in a small Debian of its own, without systemd, with a daemon and a
# task in it. Needs root, a built binary, the network for Debian's packages, and debootstrap, which it unpacks into .build.
#   scripts/check-package.sh                             with the debug binary
#   POLLUX_BIN=… scripts/check-package.sh                with another one
#   POLLUX_CHECK_SUITE=trixie scripts/check-package.sh   in another Debian
set -euo pipefail
cd "$(dirname "$0")/.."

pollux=${POLLUX_BIN:-$PWD/.build/debug/pollux}
root=$(mktemp -d "${TMPDIR:-/tmp}/pollux-check.XXXXXX")
logs=$(mktemp -d "${TMPDIR:-/tmp}/pollux-check-logs.XXXXXX")
pids=()
clean_up() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    umount "$root/proc" 2>/dev/null || true
    rm -rf "$root" "$logs"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
fail() { echo "FAIL: $*" >&2; exit 1; }
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
apt() {
    inside apt-get -qq -o APT::Sandbox::User=root "$@" >"$logs/apt" 2>&1 || { cat "$logs/apt" >&2; fail "apt-get $*"; }
}

scripts/unpack-debian.sh "$root"
mount -t proc proc "$root/proc"
version=$("$pollux" --version)

# --- Installation
apt update
apt install -y --no-install-recommends /first.deb
[[ $(inside pollux --version) == "$version" ]] || fail "another version"
[[ $(inside stat -c '%U %a' /var/lib/pollux) == "pollux 700" ]] || fail "the state directory"
inside getent passwd pollux | grep -q ':/var/lib/pollux:/usr/sbin/nologin$' || fail "the user"
for file in /usr/lib/systemd/{system,user}/pollux.{service,socket} /etc/pollux/pollux.yaml /usr/share/man/man1/pollux.1.gz \
    /usr/share/bash-completion/completions/pollux /usr/share/zsh/vendor-completions/_pollux \
    /usr/share/fish/vendor_completions.d/pollux.fish /usr/share/doc/pollux/{copyright,changelog.gz,alerts.yml,docs/settings.md}; do
    [[ -s $root$file ]] || fail "$file is missing"
done
for command in $("$pollux" --experimental-dump-help | python3 -c 'import json, sys
print(*(one["commandName"] for one in json.load(sys.stdin)["command"]["subcommands"] if one["shouldDisplay"]))'); do
    zgrep -q "^.SS \"pollux $command\"" "$root/usr/share/man/man1/pollux.1.gz" || fail "the manual page lacks $command"
done
inside bash -n /usr/share/bash-completion/completions/pollux || fail "the completions of bash"
inside dpkg --verify pollux || fail "dpkg --verify"
echo "installed: $(inside dpkg-query -W -f '${Depends}' pollux)"

# --- A daemon and a task
start() {
    chroot --userspec=pollux:pollux "$root" /usr/bin/env -i PATH=/usr/bin:/bin POLLUX_CONFIG=/etc/pollux/pollux.yaml \
        POLLUX_STATE_DIR=/var/lib/pollux POLLUX_SOCKET=/var/lib/pollux/pollux.sock XHUOAPI_BASE_URL="$base" \
        XHUOAPI_TOKEN=sandbox-token-of-the-check pollux serve 2>>"$logs/daemon" &
    daemon=$!
    pids+=("$daemon")
    for _ in {1..600}; do
        inside pollux --socket /var/lib/pollux/pollux.sock status >/dev/null 2>&1 && return
        kill -0 "$daemon" 2>/dev/null || break
        sleep 0.1
    done
    cat "$logs/daemon" >&2
    fail "the daemon does not answer"
}
stop() {
    kill "$daemon"
    wait "$daemon" || fail "the daemon ended with $?"
}
client() { inside pollux "$1" --socket /var/lib/pollux/pollux.sock "${@:2}"; }
exec {lines}< <(exec "$pollux" sandbox --port 0 --speed 60 --seed 1 2>>"$logs/sandbox")
pids+=("$!")
read -r -u "$lines" base
start
task=$(client submit flux/images -d prompt="a fox [seconds=5]")
client wait "$task" --timeout 2m >/dev/null || fail "the task did not succeed"
echo "a task succeeded"

# --- An upgrade over this database, with changed settings
echo 'log: {level: debug}' >>"$root/etc/pollux/pollux.yaml"
apt install -y /second.deb
[[ $(inside dpkg-query -W -f '${Version}' pollux) == "$version+check" ]] || fail "no upgrade"
grep -q '^log: {level: debug}' "$root/etc/pollux/pollux.yaml" || fail "the upgrade changed the settings"
client show "$task" --json | grep -q '"succeeded"' || fail "the running daemon lost its task"
stop
start
client show "$task" --json | grep -q '"succeeded"' || fail "the upgrade lost a task"
stop
echo "upgraded"

# --- Removal keeps the tasks, purging removes them
apt remove -y pollux
[[ ! -e $root/usr/bin/pollux ]] || fail "the binary is still there"
[[ -f $root/var/lib/pollux/pollux.sqlite && -f $root/etc/pollux/pollux.yaml ]] || fail "removal lost the tasks or the settings"
apt install -y /second.deb
start
client show "$task" --json | grep -q '"succeeded"' || fail "the second installation lost a task"
stop
echo token >"$root/etc/pollux/xhuoapi.token"
apt purge -y pollux
[[ ! -e $root/var/lib/pollux && ! -e $root/etc/pollux/pollux.yaml ]] || fail "purging left tasks or settings"
[[ -f $root/etc/pollux/xhuoapi.token ]] || fail "purging removed a file of the administrator"
rm "$root/etc/pollux/xhuoapi.token"
apt install -y /second.deb
apt purge -y pollux
[[ ! -e $root/etc/pollux ]] || fail "purging left an empty directory"
echo "removed and purged"
