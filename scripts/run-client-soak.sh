#!/usr/bin/env bash
# Sets clients on the daemon that are hard on its memory, for some minutes, and says whether it stays flat: long polls on
# connections that never close, 420 waiters at once, bulk clients that send 200,000 lines before they read an answer,
# bodies that never end, and a log whose reader stops. Needs a built binary and python3. Exit code 0 and a line that begins
# with PASS where memory is flat and every client got what it should.
#   scripts/run-client-soak.sh                         ten minutes, the release build where there is one
#   scripts/run-client-soak.sh 60                      an hour
#   POLLUX_BIN=… scripts/run-client-soak.sh 10 --log-is-read
set -euo pipefail
cd "$(dirname "$0")/.."

minutes=10
if [[ ${1:-} =~ ^[0-9]+(\.[0-9]+)?$ ]]; then
    minutes=$1
    shift
fi
pollux=${POLLUX_BIN:-$PWD/.build/release/pollux}
[[ -x $pollux ]] || pollux=$PWD/.build/debug/pollux
[[ -x $pollux ]] || { echo "$pollux is missing: run swift build first." >&2; exit 1; }
echo "$pollux, $minutes minutes"
exec python3 scripts/soak-clients.py "$pollux" "$minutes" "$@"
