#!/usr/bin/env bash
# Runs every test. Installs what is missing first. The first build takes some minutes, later ones seconds.
#   scripts/run-tests.sh                       everything
#   scripts/run-tests.sh --filter LifecycleTests   what `swift test` would run with these arguments
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-dependencies.sh
swift build --build-tests --explicit-target-dependency-import-check error
if (($#)); then exec swift test --skip-build "$@"; fi

# Run without `swift test`, of which only one may run at a time.
tests=("$(swift build --show-bin-path)/polluxPackageTests.xctest" --testing-library swift-testing)
output=$(mktemp) simulated=$(mktemp) all=$(mktemp)
simulation=
stop() {
  [[ -z $simulation ]] || kill "$simulation" 2>/dev/null || true
  rm -f "$output" "$simulated" "$all"
}
trap stop EXIT
trap 'exit 130' INT TERM

# Says at the very end what failed: between a thousand lines nobody finds it, and a log may be cut to its end.
tell_failure() {
  echo
  echo "What failed:"
  grep -aE '^✘|error:' "$1" | cut -c1-1000 || tail -n 20 "$1"
  exit 1
}
run() {
  local began=$SECONDS
  "${tests[@]}" --no-parallel "$@" 2>&1 | tee "$output" || tell_failure "$output"
  cat "$output" >>"$all"
  echo "That took $((SECONDS - began)) s."
}

# The simulation knows no real time, so it takes only the processor time that the other tests leave.
nice -n 19 "${tests[@]}" --filter SimulationTests >"$simulated" 2>&1 &
simulation=$!
# Tests with real sockets and real time-outs take turns: eight hundred at once starve each other on two cores, and what is
# answered within seconds otherwise then takes forty.
run --skip 'EndToEndTests|SimulationTests'
run --filter EndToEndTests
if wait "$simulation"; then passed=1; else passed=0; fi
simulation=
cat "$simulated"
((passed)) || tell_failure "$simulated"

echo "The slowest tests, in seconds:"
cat "$all" "$simulated" | sed -nE 's/^✔ Test (.*) passed after ([0-9.]+) seconds.*/\2 \1/p' \
  | grep -av 'case passing' | sort -rn | sed -n 1,30p | cut -c1-150
