#!/usr/bin/env bash
# Builds packaging/Containerfile with the package of this tree, and runs a daemon and a task in the container. The Debian below it
# is made by debootstrap, so no registry is asked.
#   scripts/check-container.sh                 with the debug binary
#   POLLUX_BIN=… scripts/check-container.sh    with another one
# Needs root, a built binary, the network for Debian's packages, and Debian's package buildah.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "FAIL: $*" >&2; exit 1; }
command -v buildah >/dev/null || fail "buildah is missing: apt-get install buildah"
export POLLUX_BIN=${POLLUX_BIN:-$PWD/.build/debug/pollux}
work=$(mktemp -d "${TMPDIR:-/tmp}/pollux-container.XXXXXX")
pids=()
clean_up() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    build rm --all >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
export BUILDAH_ISOLATION=chroot
build() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }

# --- The image
mkdir -p "$work/debian" "$work/context/.build/debian"
scripts/unpack-debian.sh "$work/debian"
mv "$work/debian/first.deb" "$work/context/.build/debian/pollux.deb"
rm "$work/debian/second.deb"
base=$(build from scratch)
build add -q "$base" "$work/debian" / >/dev/null
build commit -q "$base" docker.io/library/debian:bookworm-slim >/dev/null
build rm "$base" >/dev/null
rm -rf "$work/debian"
build build --pull-never -q -f packaging/Containerfile -t pollux "$work/context" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "the build"; }
setting() { build inspect --type image --format "{{$1}}" pollux; }
[[ $(setting .OCIv1.Config.User) == pollux ]] || fail "the user is $(setting .OCIv1.Config.User)"
[[ $(setting .OCIv1.Config.Entrypoint) == "[pollux]" && $(setting .OCIv1.Config.Cmd) == "[serve]" ]] || fail "the command"
setting .OCIv1.Config.Volumes | grep -q /var/lib/pollux || fail "the volume"
echo "built: $(setting .OCIv1.Config.Env)"

# --- A daemon and a task
exec {lines}< <(exec "$POLLUX_BIN" sandbox --port 0 --speed 60 --seed 1 2>>"$work/log")
pids+=("$!")
read -r -u "$lines" base_url
container=$(build from --pull-never pollux)
inside() { build run "$@"; }
inside --env XHUOAPI_BASE_URL="$base_url" --env XHUOAPI_TOKEN=sandbox-token-of-the-check "$container" -- pollux serve 2>>"$work/log" &
pids+=("$!")
for _ in {1..300}; do
    # What the health check runs.
    inside "$container" -- pollux status >"$work/status" 2>&1 && break
    sleep 0.2
done
grep -q pollux "$work/status" || { cat "$work/log" "$work/status" >&2; fail "the daemon does not answer"; }
[[ $(inside "$container" -- id -un) == pollux ]] || fail "the daemon is not run by its user"
task=$(inside "$container" -- pollux submit flux/images -d "prompt=a fox [seconds=5]")
inside "$container" -- pollux wait "$task" --timeout 2m >/dev/null || fail "the task did not succeed"
inside "$container" -- pollux fetch "$task" -o /tmp >"$work/copies" || fail "the result is not on disk"
echo "a task succeeded, its result is $(cat "$work/copies")"
# The container shares the process ids of this machine.
daemon=$(inside "$container" -- pollux status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])')
kill -TERM "$daemon"
for _ in {1..150}; do kill -0 "$daemon" 2>/dev/null || break; sleep 0.2; done
! kill -0 "$daemon" 2>/dev/null || fail "the daemon does not stop"
echo "PASS"
