#!/usr/bin/env bash
# Keeps the daemon under constant load for some minutes and watches its memory, file descriptors, database and
# write-ahead log; fails if memory or descriptors grow, or the log is not bounded. Writes soak.svg and soak.csv.
#   scripts/run-soak.sh 10                 ten minutes
#   scripts/run-soak.sh 60 /tmp            an hour; the picture goes to /tmp
set -euo pipefail
cd "$(dirname "$0")/.."

minutes=${1:-10}
if [[ ! $minutes =~ ^[0-9]+(\.[0-9]+)?$ ]]; then
    echo "usage: scripts/run-soak.sh [minutes] [directory]" >&2
    exit 64
fi
output=${2:-.build/soak}
mkdir -p "$output"
output=$(cd "$output" && pwd)
scripts/install-dependencies.sh
swift build --build-tests
POLLUX_SOAK_MINUTES=$minutes POLLUX_SOAK_OUTPUT=$output swift test --skip-build --no-parallel --filter SoakTests
echo "Drawn in $output/soak.svg, listed in $output/soak.csv."
