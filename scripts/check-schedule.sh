#!/usr/bin/env bash
# Puts the real daemon beside the simulator: calls a task and mean lateness, as `pollux endpoints` tells them, against the
# sandbox in real time with tasks of 12 s. Takes six minutes after the build; fails where one differs by more than a fifth.
# Not part of the tests, since a loaded machine is late for reasons of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

mean=12 variation=0.25 in_flight=40 seed=0
alone=(flux/images kling/videos suno/audios midjourney/imagine luma/videos veo/videos sora/videos)
together=flux/images

scripts/install-dependencies.sh
swift build --product pollux --quiet
swift build --product PollingSimulator --quiet
bin="$(swift build --show-bin-path)"
place="$(mktemp -d "${TMPDIR:-/tmp}/pollux-schedule.XXXXXX")"
sandbox_pid="" daemon_pid=""
clean_up() {
  for pid in $daemon_pid $sandbox_pid; do kill "$pid" 2>/dev/null || true; done
  for pid in $daemon_pid $sandbox_pid; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$place"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

"$bin/pollux" sandbox --port 0 --seed 7 >"$place/sandbox.out" 2>"$place/sandbox.log" &
sandbox_pid=$!
for _ in {1..100}; do [[ -s "$place/sandbox.out" ]] && break; sleep 0.1; done
export XHUOAPI_BASE_URL="$(head -n 1 "$place/sandbox.out")" XHUOAPI_TOKEN=sandbox POLLUX_CONFIG= POLLUX_ARTEFACTS_CAPTURE=off
export POLLUX_STATE_DIR="$place/state" POLLUX_SOCKET="$place/state/pollux.sock"
export POLLUX_POLLING_MAX_REQUESTS_PER_SECOND=200 POLLUX_SUBMISSION_MAX_PER_SECOND=200

# So many submissions to an endpoint, of log-normal length, one a line; the same numbers for the same seed.
tasks() {
  awk -v n="$1" -v endpoint="$2" -v seed="$3" -v mean="$mean" -v cv="$variation" 'BEGIN {
    srand(seed); s = sqrt(log(1 + cv * cv)); m = log(mean) - s * s / 2
    for (i = 0; i < n; i++) {
      bell = sqrt(-2 * log(1 - rand())) * cos(6.283185307 * rand())
      printf "{\"endpoint\": \"%s\", \"request\": {\"prompt\": \"a cat [seconds=%.3f]\"}}\n", endpoint, exp(m + s * bell)
    }
  }'
}
# What noticing ends has cost at these endpoints: ended tasks, calls, seconds of lateness.
spent() {
  "$bin/pollux" endpoints --json | jq -r --arg names "$*" '
    [.endpoints[] | select(.name as $n | $names | split(" ") | index($n))]
    | [map(.finished) , map(.finished * (.calls_per_task // 0)), map(.finished * (.mean_lateness_seconds // 0))]
    | map(add) | map(tostring) | join(" ")'
}
start() {
  POLLUX_SUBMISSION_MAX_IN_FLIGHT="$1" "$bin/pollux" serve 2>>"$place/pollux.log" &
  daemon_pid=$!
  for _ in {1..100}; do "$bin/pollux" status >/dev/null 2>&1 && return; sleep 0.1; done
  echo "The daemon did not start:" >&2; cat "$place/pollux.log" >&2; exit 1
}
stop() { kill "$daemon_pid"; wait "$daemon_pid" || true; daemon_pid=""; }
# Lets what a file holds run to its end.
play() {
  mapfile -t ids < <("$bin/pollux" submit --batch "$1" --json | jq -r '.task.id // .id')
  "$bin/pollux" wait "${ids[@]}" >/dev/null 2>&1 || true
}

start 1
for endpoint in "${alone[@]}"; do tasks 10 "$endpoint" "$((++seed))"; done >"$place/lessons"
for endpoint in "${alone[@]}"; do tasks 12 "$endpoint" "$((++seed))"; done >"$place/alone"
echo "One at a time, at ${#alone[@]} services: ten tasks each to learn from, twelve to be judged by …"
play "$place/lessons"; before="$(spent "${alone[@]}")"
play "$place/alone"; after="$(spent "${alone[@]}")"
stop
start "$in_flight"
tasks 40 "$together" "$((++seed))" >"$place/lessons"
tasks 200 "$together" "$((++seed))" >"$place/together"
echo "$in_flight in flight that share queries: forty to learn from, two hundred to be judged by …"
play "$place/lessons"; many_before="$(spent "$together")"
play "$place/together"; many_after="$(spent "$together")"
stop

{ "$bin/PollingSimulator" check "$mean" "$variation" "$in_flight"
  echo "$before $after"; echo "$many_before $many_after"; } | awk '
  NR <= 2 { calls[NR] = $1; late[NR] = $2; next }
  {
    row = NR - 2; n = $4 - $1
    if (n < 1) { print "No task ended."; bad = 1; next }
    c = ($5 - $2) / n; l = ($6 - $3) / n
    name = row == 1 ? "one at a time" : "many at once"
    printf "%-14s daemon %.2f calls, %.2f s late   simulator %.2f calls, %.2f s late   (%d tasks)\n",
      name, c, l, calls[row], late[row], n
    # What a task costs at c = 0.5 is what the schedule makes small; calls and lateness stand against each other.
    ratio = (l + c / 2) / (late[row] + calls[row] / 2)
    printf "%-14s cost %.2f of the simulator'\''s\n", "", ratio
    if (ratio > 1.2 || ratio < 0.8) bad = 1
  }
  END { exit bad }'
