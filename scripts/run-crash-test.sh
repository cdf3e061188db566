#!/usr/bin/env bash
# Kills the real daemon with `kill -9` N times at random moments, while sixteen programs use it and the provider loses
# a third of its replies; then counts what was lost, paid twice or changed afterwards. All three must be 0.
#   scripts/run-crash-test.sh          50 kills, about two minutes
#   scripts/run-crash-test.sh 1000     half an hour
#   POLLUX_CRASH_SEED=7 scripts/run-crash-test.sh    the same moments and faults again, as far as a real machine allows
set -euo pipefail
cd "$(dirname "$0")/.."

kills=${1:-50}
if [[ ! $kills =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: scripts/run-crash-test.sh [number of kills]" >&2
    exit 64
fi
scripts/install-dependencies.sh
swift build --build-tests
POLLUX_CRASH_KILLS=$kills swift test --skip-build --no-parallel --filter RandomKillTests
