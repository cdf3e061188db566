#!/usr/bin/env bash
# Three daemons share a real PostgreSQL and sixteen programs use any of them, while random daemons are killed with `kill -9` or
# stopped for 5, 20 and 60 seconds, and the database is restarted in the middle. Then (as root) two hosts in network namespaces,
# whose lines to the database and to the provider are cut. The provider loses a third of its replies. Each part counts what was
# lost, paid twice or changed afterwards; all three must be 0.
#   scripts/check-machines.sh          ten minutes of each
#   scripts/check-machines.sh 2        two minutes of each
#   POLLUX_CRASH_SEED=7 scripts/check-machines.sh    the same faults again, as far as a real machine allows
set -euo pipefail
cd "$(dirname "$0")/.."

minutes=${1:-10}
if [[ ! $minutes =~ ^[0-9]+(\.[0-9]+)?$ ]]; then
    echo "usage: scripts/check-machines.sh [minutes]" >&2
    exit 64
fi
scripts/install-dependencies.sh --postgres
swift build --build-tests
POLLUX_TESTS_NEED_POSTGRES=1 POLLUX_MACHINES_MINUTES=$minutes swift test --skip-build --no-parallel --filter 'MachineTests|CutLineTests'
