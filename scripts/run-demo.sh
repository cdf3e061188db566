#!/usr/bin/env bash
# Shows what Pollux is for, in under a minute after the build: real tasks against the simulated provider, a reply that
# gets lost, a `kill -9` half-way, the results on disk, the webhooks that arrived, the provider's own Python client whose
# reply is lost, and the provider's own ledger at the end. Everything happens in a directory that is thrown away, but for a
# Python environment in .build; no account, no credits.
#   scripts/run-demo.sh --open     leaves the daemon running at the end, and prints an address of its dashboard
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-dependencies.sh
echo "Building pollux (the first time takes some minutes) …"
swift build --product pollux --quiet
pollux="$(swift build --show-bin-path)/pollux"
# The provider's own client, from PyPI; without that its act is left out.
client=$PWD/.build/clients-venv/bin/python
if ! "$client" -c "import acedatacloud" 2>/dev/null; then
  echo "Installing the provider's Python client …"
  { [[ -x $client ]] || python3 -m venv .build/clients-venv; } &&
    timeout 120 "$client" -m pip install --quiet --disable-pip-version-check acedatacloud || client=""
fi

place="$(mktemp -d "${TMPDIR:-/tmp}/pollux-demo.XXXXXX")"
sandbox_pid="" daemon_pid="" shop_pid="" program_pid=""
clean_up() {
  for pid in $program_pid $daemon_pid $sandbox_pid $shop_pid; do kill "$pid" 2>/dev/null || true; done
  for pid in $daemon_pid $sandbox_pid $shop_pid; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$place"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

if [[ -t 1 && -z "${NO_COLOR:-}" ]]; then bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else bold="" dim="" red="" green="" plain=""; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
# Shows a command as a person would type it, then runs it.
run() { printf '%s$ %s%s\n' "$dim" "$*" "$plain"; "$@"; }
pollux() { "$pollux" "$@"; }

say "1. A provider to practise on: the sandbox, 15 times faster than real time. It will lose its second reply."
"$pollux" sandbox --port 0 --speed 15 --seed 7 --faults 'lost-reply@2' >"$place/sandbox.out" 2>"$place/sandbox.log" &
sandbox_pid=$!
for _ in {1..100}; do [[ -s "$place/sandbox.out" ]] && break; sleep 0.1; done
base_url="$(head -n 1 "$place/sandbox.out")"
[[ -n "$base_url" ]] || { echo "The sandbox did not start:" >&2; cat "$place/sandbox.log" >&2; exit 1; }
echo "It listens on $base_url"

export XHUOAPI_BASE_URL="$base_url" XHUOAPI_TOKEN=sandbox POLLUX_POLLING_MAX_GAP_SECONDS=3
gateway="127.0.0.1:$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')"
export POLLUX_GATEWAY_LISTEN="$gateway" POLLUX_STATE_DIR="$place/state" POLLUX_SOCKET="$place/state/pollux.sock" POLLUX_CONFIG="$place/pollux.yaml"
start_daemon() {
  "$pollux" serve 2>>"$place/pollux.log" &
  daemon_pid=$!
  for _ in {1..100}; do
    "$pollux" status >/dev/null 2>&1 && return
    kill -0 "$daemon_pid" 2>/dev/null || break
    sleep 0.1
  done
  echo "The daemon did not start:" >&2; cat "$place/pollux.log" >&2; exit 1
}

# A program with a webhook: it writes down what it is sent.
python3 - "$place/webhooks" >"$place/shop.port" <<'PYTHON' &
import http.server, json, sys
class Shop(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        task = event["data"]["task"]
        with open(sys.argv[1], "a") as file:
            print(f'{event["timestamp"]}  {event["type"]:15}  {task["endpoint"]:20}  {self.headers["webhook-id"]}', file=file)
        self.send_response(204); self.end_headers()
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
shop_pid=$!
for _ in {1..100}; do [[ -s "$place/shop.port" ]] && break; sleep 0.1; done
cat >"$POLLUX_CONFIG" <<YAML
notifications:
  destinations:
    shop: {url: "http://127.0.0.1:$(<"$place/shop.port")/"}
YAML

say "2. The daemon with a webhook, and seven tasks."
run cat "$POLLUX_CONFIG"
start_daemon
echo "pollux serve, process $daemon_pid"
ids=()
submit() {
  printf '%s$ pollux submit %s -d prompt="%s"%s  ' "$dim" "$1" "$2" "$plain"
  ids+=("$("$pollux" submit "$1" -d prompt="$2")")
  echo "${ids[-1]}"
}
submit midjourney/imagine "A cat sitting on a table"
submit suno/audios        "A song for Christmas"
submit suno/audios        "Rain on a tin roof, slow piano"
submit flux/images        "a white siamese cat"
submit veo/videos         "A coffee mug in morning light"
submit luma/videos        "Astronauts shuttle from space to volcano"
submit kling/videos       "A paper boat crosses a puddle"

sleep 4
say "3. Half-way. (What is expected is what the provider documents; the sandbox is faster.)"
run pollux list
printf '\n%s$ kill -9 %s%s      # the daemon is gone, nobody asks any more\n' "$red" "$daemon_pid" "$plain"
kill -9 "$daemon_pid"; wait "$daemon_pid" 2>/dev/null || true
sleep 1

say "4. Started again, it goes on where it was."
start_daemon
echo "pollux serve, process $daemon_pid"
"$pollux" wait --timeout 120 "${ids[@]}" >/dev/null

say "5. The results."
run pollux list
echo
echo "The reply to the song was lost after the provider had accepted it. Its log:"
run pollux events "${ids[1]}"
echo
run pollux show "${ids[0]}"
echo
echo "The daemon has fetched the files before their URLs expire. Copies of the songs:"
run pollux fetch "${ids[1]}" -o "$place/songs"
run ls -l "$place/songs"
echo
echo "The webhook got each outcome once, those after the crash too:"
sort "$place/webhooks"

asked=${#ids[@]}
if [[ -n $client ]]; then
  say "6. A program that has never heard of Pollux: the provider's own client, with another base URL and key."
  cat >"$place/program.py" <<'PYTHON'
import os
from acedatacloud import AceDataCloud

client = AceDataCloud(base_url=os.environ["BASE_URL"], api_token=os.environ["API_TOKEN"])
picture = client.images.generate(provider="flux", prompt="A lighthouse in fog [seconds=45]")
print("The program has", picture["data"][0]["image_url"])
PYTHON
  run cat "$place/program.py"
  token="$("$pollux" gateway token add program)"
  accepted() { grep -c "submission accepted" "$place/pollux.log"; }
  before=$(accepted)
  BASE_URL="http://$gateway/xhuoapi/v1" API_TOKEN="$token" "$client" "$place/program.py" &
  program_pid=$!
  for _ in {1..100}; do (($(accepted) > before)) && break; sleep 0.1; done
  printf '%s$ kill -9 %s%s      # while the program waits for its picture\n' "$red" "$daemon_pid" "$plain"
  kill -9 "$daemon_pid"; wait "$daemon_pid" 2>/dev/null || true
  start_daemon
  echo "pollux serve, process $daemon_pid. The client sends its request again by itself; direct, that would be paid again."
  wait "$program_pid"
  id="$("$pollux" list --label program=program --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["tasks"][0]["id"])')"
  run pollux events "$id"
  asked=$((asked + 1))
else
  say "6. Left out: PyPI cannot be reached, so the provider's Python client cannot be installed."
fi

say "7. The provider's ledger: what was billed."
curl --silent --show-error "${base_url%/v1}/sandbox/ledger" >"$place/ledger.json"
python3 - "$place/ledger.json" "$asked" "$green" "$red" "$plain" <<'PYTHON'
import json, sys
path, asked, green, red, plain = sys.argv[1:]
ledger = json.load(open(path))
for entry in ledger["entries"]:
    print(f'  {entry["service"] + "/" + entry["operation"]:20} {entry["task_id"]}  reply {entry["reply"]:9} {entry["outcome"]}')
fine = ledger["billed"] == int(asked) and ledger["max_billed_per_request"] == 1
fine = fine and all(entry["outcome"] == "succeeded" for entry in ledger["entries"])
colour, verdict = (green, "each paid once, none lost") if fine else (red, "NOT as promised")
print(f'\n  {asked} asked for, {ledger["billed"]} billed, at most {ledger["max_billed_per_request"]} for one request: {colour}{verdict}{plain}')
sys.exit(0 if fine else 1)
PYTHON
if [[ ${1:-} == --open ]]; then
  say "8. The dashboard: open this address within a minute."
  run pollux open
  echo "Ctrl-C ends the demo."
  wait "$daemon_pid"
fi
