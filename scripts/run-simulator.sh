#!/usr/bin/env bash
# Writes docs/reports/schedule.md: the real schedule, played against known durations without waiting, beside other schedules
# and the optimum. Takes two minutes after the build; the same code writes the same page every time.
#   scripts/run-simulator.sh            writes the page
#   scripts/run-simulator.sh --check    fails where the page is not what would be written (CI)
set -euo pipefail
cd "$(dirname "$0")/.."

readonly page=docs/reports/schedule.md
[[ $# -eq 0 || $* == --check ]] || { echo "usage: $0 [--check]" >&2; exit 64; }

scripts/install-dependencies.sh
swift build -c release --product PollingSimulator --quiet
simulator="$(swift build -c release --show-bin-path)/PollingSimulator"

written=$(mktemp)
trap 'rm -f "$written"' EXIT
cat >"$written" <<'TEXT'
# How good is the schedule?

<!-- Written by scripts/run-simulator.sh. Run it again instead of editing this page; CI compares. -->

These figures come from played durations, so they are the same on every machine.

```sh
scripts/run-simulator.sh     # plays the real code against known durations and writes this page; no waiting
scripts/check-schedule.sh    # puts the real daemon beside it, in real time against the sandbox; six minutes
```

Each cost is what a task costs (`lateness + c · calls`) divided by the cost of the best possible schedule, which knows the
true distribution. That optimum was computed backwards from the end (dynamic programming, gaps within 1 and 60 s, as Pollux
has them). Smithy's waiter and Google's poller run with their documented defaults. A mixture with very different parts takes
longer than ten tasks to learn. [Scheduling](../scheduling.md) explains the rule.
TEXT
"$simulator" >>"$written"

if [[ ${1:-} != --check ]]; then
    cp "$written" "$page"
    echo "Written: $page"
elif ! diff -u "$page" "$written"; then
    echo "$page is not what the code does now. If the schedule was meant to change, run scripts/run-simulator.sh and commit the page." >&2
    exit 1
fi
