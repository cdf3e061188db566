#!/usr/bin/env bash
# Prints the tables of docs/reports/schedule.md on when Pollux polls: the real schedule, played against known durations without waiting,
# beside other schedules and the optimum. Takes a minute or two after the build; the same seed prints the same figures.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-dependencies.sh
swift build -c release --product PollingSimulator --quiet
exec "$(swift build -c release --show-bin-path)/PollingSimulator"
