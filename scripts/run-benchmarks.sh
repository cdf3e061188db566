#!/usr/bin/env bash
# Measures Pollux beside the bare limits of what it is made of: a table here; results.json, cost.svg and performance.md in
# .build/benchmarks (or $POLLUX_BENCHMARK_OUTPUT). Takes some twenty minutes after the build; leave the machine alone meanwhile.
#   scripts/run-benchmarks.sh                    everything, and docs/reports/performance.md anew
#   scripts/run-benchmarks.sh --quick            a smoke run of some minutes
#   scripts/run-benchmarks.sh socket start       some of: socket streams notifications polls gateway scheduler start idle ended
#                                                retention limit instructions neighbours
#   POLLUX_BENCHMARK_CONFIGURATION=debug …       only that everything is measured, in seconds: its figures say nothing
# Instructions are counted where Debian's valgrind is installed. Beanstalkd and Redis are measured where their packages are,
# litequeue, huey and the provider's own client where pip can fetch them.
set -euo pipefail
cd "$(dirname "$0")/.."

configuration=${POLLUX_BENCHMARK_CONFIGURATION:-release}
output=${POLLUX_BENCHMARK_OUTPUT:-.build/benchmarks}
if [[ $configuration == debug ]]; then
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
"$benchmarks" "$pollux" "$output" "$@"

commit=$(git rev-parse --short HEAD 2>/dev/null || echo "no commit")
run="$([[ $chosen == *--quick* ]] && echo quick || echo full) run, $configuration build of $commit"
scripts/write-performance-report.py "$output/results.json" "$run" >"$output/performance.md"
if [[ -z $chosen && $configuration == release ]]; then
    cp "$output/performance.md" docs/reports/performance.md
    echo "Written: docs/reports/performance.md"
fi
