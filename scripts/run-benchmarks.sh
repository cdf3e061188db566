#!/usr/bin/env bash
# Measures Pollux beside the bare limits of what it is made of: a table here, results.json and cost.svg in
# .build/benchmarks (or $POLLUX_BENCHMARK_OUTPUT). Takes some minutes after the build; leave the machine alone meanwhile.
#   scripts/run-benchmarks.sh                    everything
#   scripts/run-benchmarks.sh --quick            a smoke run of some tens of seconds
#   scripts/run-benchmarks.sh socket start       some of: socket polls scheduler start neighbours
#   POLLUX_BENCHMARK_CONFIGURATION=debug …       only that everything is measured, in seconds: its figures say nothing
# Beanstalkd and Redis are measured where Debian's packages are installed, litequeue, huey and the provider's own client
# where pip can fetch them.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ ${POLLUX_BENCHMARK_CONFIGURATION:-release} == debug ]]; then
    scripts/install-dependencies.sh
    swift build --quiet --product pollux
    swift build --quiet --product benchmarks
    benchmarks="$(swift build --show-bin-path)/benchmarks"
    pollux="$(dirname "$benchmarks")/pollux"
else
    scripts/build-release.sh
    pollux="$(scripts/build-release.sh --show-path)"
    scripts/build-release.sh --product benchmarks
    benchmarks="$(dirname "$pollux")/../benchmarks"
fi

chosen="${*:-}"
if [[ -z "${chosen//--quick/}" || "$chosen" == *neighbours* ]]; then
    venv=.build/benchmarks-venv
    [[ -x $venv/bin/python ]] || python3 -m venv "$venv" || true
    "$venv/bin/python" -c 'import litequeue, huey, acedatacloud' 2>/dev/null \
        || "$venv/bin/pip" install --quiet litequeue huey acedatacloud \
        || echo "pip could not fetch litequeue, huey and acedatacloud; they are left out." >&2
    export POLLUX_BENCHMARK_PYTHON="$venv/bin/python"
fi
exec "$benchmarks" "$pollux" "${POLLUX_BENCHMARK_OUTPUT:-.build/benchmarks}" "$@"
