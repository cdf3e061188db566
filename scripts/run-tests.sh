#!/usr/bin/env bash
# Runs every test. Installs what is missing first. The first build takes some minutes, later ones seconds.
#   scripts/run-tests.sh                       everything
#   scripts/run-tests.sh --filter LifecycleTests   what `swift test` would run with these arguments
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-dependencies.sh --postgres
swift build --build-tests --explicit-target-dependency-import-check error
# Without a server these tests would be skipped.
export POLLUX_TESTS_NEED_POSTGRES=1
if (($#)); then exec swift test --skip-build "$@"; fi

# Without colours, so that the lines below can be found.
export NO_COLOR=1

# Run without `swift test`, of which only one may run at a time. A test that never ends would otherwise be known only by the time
# limit of CI, without its name.
tests=(timeout --kill-after=10 2700 "$(swift build --show-bin-path)/polluxPackageTests.xctest" --testing-library swift-testing --no-parallel)
place=$(mktemp -d)
pids=()
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$place"
}
trap stop EXIT
trap 'exit 130' INT TERM

# Says at the very end what failed: between a thousand lines nobody finds it, and a log may be cut to its end.
tell_failure() {
  echo
  echo "What failed:"
  grep -aE '✘|error:' "$1" | cut -c1-1000 || tail -n 20 "$1"
  exit 1
}

# Four processes, in each of which the tests take turns: eight hundred with real sockets and real time-outs at once starve
# each other on two cores. The end-to-end tests mostly wait, so they are in two halves that take about as long. The simulation
# knows no real time, so it takes only the processor time that the others leave.
began=$SECONDS
half='EndToEndTests.*/(Crash|CutLine|Generation|Machine|MachineFault|RandomKill|Reload|Restore|Storm)Tests'
nice -n 19 "${tests[@]}" --filter SimulationTests >"$place/simulation" 2>&1 &
pids+=($!)
"${tests[@]}" --filter "$half" >"$place/end-to-end" 2>&1 &
pids+=($!)
"${tests[@]}" --filter EndToEndTests --skip "$half" >"$place/end-to-end-2" 2>&1 &
pids+=($!)
"${tests[@]}" --skip 'EndToEndTests|SimulationTests' 2>&1 | tee "$place/unit" || tell_failure "$place/unit"
echo "The unit tests took $((SECONDS - began)) s. The end-to-end tests and the simulation go on."
for name in end-to-end-2 end-to-end simulation; do
  pid=${pids[-1]}
  unset 'pids[-1]'
  if wait "$pid"; then passed=1; else passed=0; fi
  cat "$place/$name"
  ((passed)) || tell_failure "$place/$name"
done
pids=()

echo "All tests took $((SECONDS - began)) s. The slowest, in seconds:"
cat "$place"/* | sed -nE 's/^✔ Test (.*) passed after ([0-9.]+) seconds.*/\2 \1/p' \
  | grep -av 'case passing' | sort -rn | sed -n 1,30p | cut -c1-150
