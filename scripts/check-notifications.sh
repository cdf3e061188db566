#!/usr/bin/env bash
# Has Standard Webhooks' own library check the signatures of a real daemon, while a secret is replaced and the daemon is killed.
# Needs the built binary, python3 and, once, network for pip.
#   scripts/check-notifications.sh [tasks]
set -euo pipefail
cd "$(dirname "$0")/.."

tasks=${1:-40}
scripts/install-test-clients.sh
pollux=$PWD/.build/debug/pollux
[[ -x $pollux ]] || { echo "$pollux is missing: run swift build first." >&2; exit 1; }

place=$(mktemp -d "${TMPDIR:-/tmp}/pollux-notifications.XXXXXX")
pids=()
clean_up() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$place"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# The first line that a process writes says where it listens.
listening() {
    local line fd
    exec {fd}< <(exec "$@")
    pids+=($!)
    read -r -t 20 line <&"$fd" || { echo "$1 did not start." >&2; exit 1; }
    answer=$line
}

secret() { echo "whsec_$(head -c 32 /dev/urandom | base64 -w 0)"; }
old=$(secret) new=$(secret)
listening .build/clients-venv/bin/python Tests/EndToEndTests/Clients/webhook_receiver.py "$place/log" \
    --secret "$old" --secret "$new" --plan 500,429:1,reset
receiver=http://127.0.0.1:$answer/hook
listening "$pollux" sandbox --port 0 --speed 60 --seed 1
export XHUOAPI_BASE_URL=$answer XHUOAPI_TOKEN=sandbox POLLUX_STATE_DIR=$place/state POLLUX_SOCKET=$place/pollux.sock
export POLLUX_CONFIG=$place/pollux.yaml POLLUX_POLLING_MIN_GAP_SECONDS=0.2
(umask 077; echo "$old" >"$place/secret")
cat >"$POLLUX_CONFIG" <<YAML
notifications:
  destinations:
    hook: {url: "$receiver", events: [task.queued, task.succeeded], secret_file: $place/secret}
YAML

serve() {
    "$pollux" serve 2>>"$place/daemon.log" &
    daemon=$!
    pids+=("$daemon")
    for _ in {1..200}; do "$pollux" status >/dev/null 2>&1 && return; sleep 0.1; done
    echo "The daemon did not start." >&2; exit 1
}
submit() { for ((i = 0; i < $1; i++)); do "$pollux" submit flux/images -d prompt="a fox $i [seconds=5]" >/dev/null; done; }

serve
submit $((tasks / 2))
kill -9 "$daemon"; wait "$daemon" 2>/dev/null || true
serve
(umask 077; printf '%s\n%s\n' "$new" "$old" >"$place/secret")
"$pollux" reload >/dev/null
submit $((tasks - tasks / 2))

for _ in {1..1200}; do
    taken=$(grep -c '"action": "204"' "$place/log" || true)
    ((taken >= 2 * tasks)) && break
    sleep 0.1
done
python3 - "$place/log" "$tasks" <<'PYTHON'
import collections, json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
wanted = int(sys.argv[2])
bad = [line for line in lines if line["verified"] < 1]
assert not bad, f"{len(bad)} of {len(lines)} signatures do not fit"
both = sum(line["verified"] == 2 for line in lines)
assert both >= wanted, f"only {both} requests carried both signatures"
taken = [line for line in lines if line["action"] == "204"]
order = collections.defaultdict(list)
for line in taken:
    kinds = order[line["body"]["data"]["task"]["id"]]
    if line["body"]["type"] not in kinds:
        kinds.append(line["body"]["type"])
assert len(order) == wanted, f"{len(order)} of {wanted} tasks"
assert all(kinds == ["task.queued", "task.succeeded"] for kinds in order.values()), "out of order"
ids = {line["headers"]["webhook-id"] for line in taken}
assert len(ids) == 2 * wanted, f"{len(ids)} ids"
print(f"{len(lines)} requests, {len(taken)} taken, {both} with two signatures: all verified, in order, nothing lost")
PYTHON
