#!/usr/bin/env bash
# Kills the real daemon with `kill -9` N times at random moments while it downloads results, from a provider that cuts a third of
# the files. Then every file must be saved once and be whole, with none left over, and every task paid once.
#   scripts/run-download-crash-test.sh          50 kills, about three minutes
#   scripts/run-download-crash-test.sh 1000     about an hour
#   POLLUX_CRASH_SEED=7 scripts/run-download-crash-test.sh    the same moments and faults again, as far as a real machine allows
set -euo pipefail
cd "$(dirname "$0")/.."

kills=${1:-50}
if [[ ! $kills =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: scripts/run-download-crash-test.sh [number of kills]" >&2
    exit 64
fi
scripts/install-dependencies.sh
swift build --build-tests
POLLUX_DOWNLOAD_KILLS=$kills swift test --skip-build --no-parallel --filter 'kills during downloads'
