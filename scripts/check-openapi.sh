#!/usr/bin/env bash
# Lets Schemathesis loose on the real socket: it makes requests, valid and broken, out of /openapi.json, and every answer
# must be one that the document promises. Needs the built binary, python3 and, once, network for pip.
#   scripts/check-openapi.sh [examples per operation]
#   POLLUX_OPENAPI_SEED=$RANDOM scripts/check-openapi.sh     other requests than usual
set -euo pipefail
cd "$(dirname "$0")/.."

examples=${1:-40}
readonly venv=.build/schemathesis-venv
scripts/install-test-clients.sh
pollux=$PWD/.build/debug/pollux
[[ -x $pollux ]] || { echo "$pollux is missing: run swift build first." >&2; exit 1; }

place=$(mktemp -d "${TMPDIR:-/tmp}/pollux-openapi.XXXXXX")
pids=()
clean_up() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$place"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# The first line that a process writes says where it listens.
listening() {
    local line fd
    exec {fd}< <(exec "$@")
    pids+=($!)
    read -r -t 20 line <&"$fd" || { echo "$1 did not start." >&2; exit 1; }
    answer=$line
}

listening "$pollux" sandbox --port 0 --speed 60 --seed 1
export XHUOAPI_BASE_URL=$answer XHUOAPI_TOKEN=sandbox
export POLLUX_STATE_DIR=$place/state POLLUX_SOCKET=$place/pollux.sock POLLUX_CONFIG= POLLUX_POLLING_MIN_GAP_SECONDS=0.2
"$pollux" serve 2>"$place/log" &
pids+=($!)
for _ in {1..100}; do "$pollux" status >/dev/null 2>&1 && break; sleep 0.1; done
# Something to list, show, cancel and reopen.
for endpoint in midjourney/imagine suno/audios veo/videos; do
    "$pollux" submit "$endpoint" -d prompt='a heron' --label kind=test >/dev/null
done
listening python3 Tests/EndToEndTests/Clients/loopback_proxy.py "$POLLUX_SOCKET"

# Not checked is that every document that fits the schema is accepted: that a deadline has passed, or a cursor was never
# given out, no schema can say.
PYTHONPATH=$PWD/Tests/EndToEndTests/Clients
schemathesis=$PWD/$venv/bin/schemathesis
export PYTHONPATH SCHEMATHESIS_HOOKS=schemathesis_hooks PYTHONDONTWRITEBYTECODE=1
# A stream of events does not end; StreamRoutesTests read it.
# It keeps notes where it runs, so that is the directory that is thrown away.
(cd "$place" && "$schemathesis" run "http://127.0.0.1:$answer/openapi.json" --checks all \
    --exclude-checks positive_data_acceptance --exclude-path /v1/events \
    --max-examples "$examples" --seed "${POLLUX_OPENAPI_SEED:-1}" --request-timeout 30 --no-color)
"$pollux" status >/dev/null || { echo "The daemon is gone:"; tail -20 "$place/log"; exit 1; }
