#!/usr/bin/env bash
# Kills a real daemon with `kill -9` N times at random moments while it delivers notifications to a receiver that loses some of
# them. Then every event of the log must have come, each task's in order, and Standard Webhooks' own library must have verified
# each signature, also while the secret was replaced. Needs the built binary, python3, curl and, once, network for pip.
#   scripts/check-notifications.sh          10 kills, about a minute
#   scripts/check-notifications.sh 1000     half an hour
#   POLLUX_NOTIFICATION_SEED=7 scripts/check-notifications.sh    the same moments and faults, as far as a machine allows
set -euo pipefail
cd "$(dirname "$0")/.."

kills=${1:-10}
[[ $kills =~ ^[1-9][0-9]*$ ]] || { echo "usage: scripts/check-notifications.sh [number of kills]" >&2; exit 64; }
seed=${POLLUX_NOTIFICATION_SEED:-$RANDOM}
RANDOM=$seed
scripts/install-test-clients.sh
pollux=${POLLUX_BIN:-$PWD/.build/debug/pollux}
[[ -x $pollux ]] || { echo "$pollux is missing: run swift build first." >&2; exit 1; }

place=$(mktemp -d "${TMPDIR:-/tmp}/pollux-notifications.XXXXXX")
pids=()
daemon=
clean_up() {
    for pid in "${pids[@]}" $daemon; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}" $daemon; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$place"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# The first line that a process writes says where it listens.
listening() {
    local line fd
    exec {fd}< <(exec "$@" 2>>"$place/others.log")
    pids+=($!)
    read -r -t 20 line <&"$fd" || { echo "$1 did not start:" >&2; tail -5 "$place/others.log" >&2; exit 1; }
    answer=$line
}

secret() { echo "whsec_$(head -c 32 /dev/urandom | base64 -w 0)"; }
old=$(secret) new=$(secret)
listening .build/clients-venv/bin/python Tests/EndToEndTests/Clients/webhook_receiver.py "$place/log" \
    --secret "$old" --secret "$new" --faults 10 --seed "$seed"
receiver=http://127.0.0.1:$answer/hook
listening "$pollux" sandbox --port 0 --speed 60 --seed 1
export XHUOAPI_BASE_URL=$answer XHUOAPI_TOKEN=sandbox POLLUX_STATE_DIR=$place/state POLLUX_SOCKET=$place/pollux.sock
export POLLUX_CONFIG=$place/pollux.yaml POLLUX_POLLING_MIN_GAP_SECONDS=0.2
(umask 077; echo "$old" >"$place/secret")
cat >"$POLLUX_CONFIG" <<YAML
notifications:
  destinations:
    hook:
      url: "$receiver"
      events: [task.queued, task.submitting, task.uncertain, task.running, task.succeeded, task.failed]
      secret_file: $place/secret
YAML

ask() { curl -sS --max-time 30 --unix-socket "$POLLUX_SOCKET" "$@"; }
serve() {
    "$pollux" serve 2>>"$place/daemon.log" &
    daemon=$!
    for _ in {1..400}; do ask http://localhost/healthz >/dev/null 2>&1 && return; sleep 0.05; done
    echo "The daemon did not start:" >&2
    tail -5 "$place/daemon.log" >&2
    exit 1
}
submit() {
    for i in 1 2 3; do echo '{"endpoint":"flux/images","request":{"prompt":"a fox '"$1.$i"' [seconds=5]"}}'; done \
        | ask http://localhost/v1/tasks -H 'Content-Type: application/x-ndjson' --data-binary @- >/dev/null
}

serve
for ((round = 1; round <= kills; round++)); do
    submit "$round"
    sleep "0.$((RANDOM % 40 + 10))"
    kill -9 "$daemon"
    wait "$daemon" 2>/dev/null || true
    serve
    if ((round == (kills + 1) / 2)); then
        (umask 077; printf '%s\n%s\n' "$new" "$old" >"$place/secret")
        "$pollux" reload >/dev/null
    fi
done
submit last

python3 - "$place/log" "$POLLUX_SOCKET" "$kills" "$seed" "$POLLUX_STATE_DIR/pollux.sqlite" <<'PYTHON'
import collections, json, socket, sqlite3, sys, time

log, path, kills, seed, database = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5]
types = {"queued", "submitting", "uncertain", "running", "succeeded", "failed"}


def events():
    """Every change of a task's state in the log: the id of its notification, with task and type."""
    found = {}
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(path)
        stream.settimeout(30)
        stream.sendall(b"GET /v1/events?after=0 HTTP/1.0\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n")
        for line in stream.makefile("rb"):
            line = line.strip()
            if not line.startswith(b"{"):
                continue
            event = json.loads(line)
            if event.get("control") == "caught_up":
                return found
            if "sequence" in event and event["from"] != event["to"] and event["to"] in types:
                found[event["id"]] = (event["task_id"], "task." + event["to"])
    sys.exit("The stream of events ended early.")


def requests():
    with open(log) as lines:
        return [json.loads(line) for line in lines if line.endswith("\n")]


def waiting():
    """The tries and the last failure of the events that wait for their next try."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return {row[0]: row[1:] for row in connection.execute("SELECT sequence, attempts, reason FROM delivery")}


deadline, before = time.monotonic() + 1500, {}
while True:
    expected = events()
    came = {line["headers"]["webhook-id"] for line in requests() if line["taken"]}
    missing = set(expected) - came
    if not missing and expected == before:
        break
    if time.monotonic() > deadline:
        rows = waiting()
        states = {name: rows.get(int(name.rsplit("-", 1)[1]), "no row") for name in sorted(missing)[:9]}
        sys.exit(f"{len(missing)} of {len(expected)} events did not come (seed {seed}): {states}")
    before = expected
    time.sleep(2)

lines = requests()
bad = [line for line in lines if line["verified"] < 1]
assert not bad, f"{len(bad)} of {len(lines)} signatures do not fit"
both = sum(line["verified"] == 2 for line in lines)
assert both > 0, "no request carried both signatures"
order, repeats = collections.defaultdict(list), 0
for line in lines:
    name, task = line["headers"]["webhook-id"], line["body"]["data"]["task"]["id"]
    assert expected.get(name) == (task, line["body"]["type"]), f"{name} is not in the log as {line['body']['type']}"
    if not line["taken"]:
        continue
    sequence = int(name.rsplit("-", 1)[1])
    repeats += sequence in order[task]
    if sequence not in order[task]:
        order[task].append(sequence)
for task, sequences in order.items():
    assert sequences == sorted(sequences), f"the events of {task} came out of order (seed {seed}): {sequences}"
assert len(order) == 3 * (kills + 1), f"{len(order)} of {3 * (kills + 1)} tasks"
lost = sum(line["action"] != "204" for line in lines)
print(
    f"{kills} kills, {len(expected)} events of {len(order)} tasks, {len(lines)} requests, {lost} of them lost or refused, "
    f"{repeats} events came again, {both} requests with two signatures: all verified, in order, none missing (seed {seed})"
)
PYTHON
