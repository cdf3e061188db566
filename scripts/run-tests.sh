#!/usr/bin/env bash
# Runs every test. Installs what is missing first. The first build takes some minutes, later ones seconds.
#   scripts/run-tests.sh                       everything
#   scripts/run-tests.sh --filter LifecycleTests   what `swift test` would run with these arguments
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-dependencies.sh
swift build --build-tests --explicit-target-dependency-import-check error
if (($#)); then exec swift test --skip-build "$@"; fi

output=$(mktemp)
trap 'rm -f "$output"' EXIT

# Says at the very end what failed: between a thousand lines nobody finds it, and a log may be cut to its end.
run() {
  swift test --skip-build "$@" 2>&1 | tee "$output" && return
  echo
  echo "What failed:"
  grep -aE '^✘|error:' "$output" | cut -c1-1000 || tail -n 20 "$output"
  return 1
}

# Tests with real sockets and real time-outs get the machine to themselves: eight hundred tests at once starve each other on two
# cores, and what is answered within seconds otherwise then takes forty. The simulation knows no real time, and fills a core.
run --no-parallel --skip 'EndToEndTests|SimulationTests'
run --filter SimulationTests
run --no-parallel --filter EndToEndTests
