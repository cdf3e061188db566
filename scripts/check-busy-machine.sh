#!/usr/bin/env bash
# Runs the end-to-end tests five times beside four processes that only burn time, as on a machine that is busy with other
# things: a test that needs a fast machine fails here sooner than on somebody's laptop. Takes about an hour.
#   scripts/check-busy-machine.sh            five times
#   scripts/check-busy-machine.sh 1 LifetimeTests   so often, and only what matches
set -euo pipefail
cd "$(dirname "$0")/.."

times=${1:-5}
filter=${2:-EndToEndTests}

scripts/install-dependencies.sh
swift build --build-tests

output=$(mktemp)
burners=()
stop() {
  # By their ids: other programs of that name are not ours.
  for burner in "${burners[@]}"; do kill "$burner" 2>/dev/null || true; done
  rm -f "$output"
}
trap stop EXIT
trap 'exit 130' INT TERM
for _ in 1 2 3 4; do
  (while :; do :; done) &
  burners+=("$!")
done

failed=0
for ((run = 1; run <= times; run++)); do
  echo "Run $run of $times, beside ${#burners[@]} processes that burn time"
  if swift test --skip-build --no-parallel --filter "$filter" >"$output" 2>&1; then
    tail -n 1 "$output"
  else
    failed=$((failed + 1))
    echo "What failed:"
    grep -aE '✘|error:' "$output" | cut -c1-1000 || tail -n 20 "$output"
  fi
done
if ((failed > 0)); then
  echo "$failed of $times runs failed."
  exit 1
fi
echo "No failure in $times runs."
