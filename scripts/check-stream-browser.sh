#!/usr/bin/env bash
# Follows the stream of events in Chromium and with `curl -N` while the daemon is killed and started again N times. Both must have
# every event of the log, in order and once. Needs the built binary and, once, network for Debian's packages and pip.
#   scripts/check-stream-browser.sh         3 kills, half a minute
set -euo pipefail
cd "$(dirname "$0")/.."

kills=${1:-3}
[[ $kills =~ ^[1-9][0-9]*$ ]] || { echo "usage: scripts/check-stream-browser.sh [number of kills]" >&2; exit 64; }
pollux=${POLLUX_BIN:-$PWD/.build/debug/pollux}
[[ -x $pollux ]] || { echo "$pollux is missing: run swift build first." >&2; exit 1; }
scripts/install-dependencies.sh --browser
scripts/install-test-clients.sh --browser
venv=.build/browser-venv

place=$(mktemp -d "${TMPDIR:-/tmp}/pollux-browser.XXXXXX")
pids=()
daemon=
clean_up() {
    for pid in "${pids[@]}" $daemon; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}" $daemon; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$place"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# The sandbox writes where it listens.
exec {answers}< <(exec "$pollux" sandbox --port 0 --speed 60 --seed 1 2>>"$place/others.log")
pids+=($!)
read -r -t 20 address <&"$answers" || { echo "The sandbox did not start:" >&2; tail -5 "$place/others.log" >&2; exit 1; }
export XHUOAPI_BASE_URL=$address XHUOAPI_TOKEN=sandbox POLLUX_STATE_DIR=$place/state POLLUX_SOCKET=$place/pollux.sock
export POLLUX_CONFIG=$place/pollux.yaml POLLUX_POLLING_MIN_GAP_SECONDS=0.2 POLLUX_ARTEFACTS_CAPTURE=off
touch "$POLLUX_CONFIG"

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
    for i in 1 2 3 4 5; do echo '{"endpoint":"flux/images","request":{"prompt":"a fox '"$1.$i"' [seconds=5]"}}'; done \
        | ask http://localhost/v1/tasks -H 'Content-Type: application/x-ndjson' --data-binary @- >/dev/null
}

# `curl -N` again and again, each time from the last whole message that it has printed.
follow() {
    exec python3 - "$POLLUX_SOCKET" "$place" <<'PYTHON'
import json, os, subprocess, sys, time

path, place = sys.argv[1:3]
last = "0"
while not os.path.exists(f"{place}/done"):
    command = ["curl", "-sN", "--unix-socket", path, "-H", f"Last-Event-ID: {last}", "http://localhost/v1/events"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as curl, open(f"{place}/curl", "a") as file:
        rest = b""
        while data := curl.stdout.read1(65536):
            *messages, rest = (rest + data).split(b"\n\n")
            for message in messages:
                fields = [line.split(b": ", 1) for line in message.split(b"\n") if b": " in line]
                values = {name.decode(): value.decode() for name, value in fields}
                last = values.get("id", last)
                if "data" in values and "event" not in values:
                    file.write(json.loads(values["data"])["id"] + "\n")
                    file.flush()
    time.sleep(0.2)
PYTHON
}

serve
submit 0
follow &
pids+=($!)
"$venv/bin/python" - "$POLLUX_SOCKET" "$place" "$(command -v chromium)" "$(command -v chromedriver)" <<'PYTHON' &
import json, os, socket, sys, threading, time

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

path, place, chromium, driver_path = sys.argv[1:5]
PAGE = b"""<!doctype html><title>stream</title><script>
const got = [], controls = [];
const source = new EventSource("/v1/events?after=0");
source.onmessage = message => got.push(JSON.parse(message.data).id);
source.addEventListener("reset", message => controls.push("reset"));
</script>"""


def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(client):
    """Answers the page, and passes everything else on to the socket of the daemon."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = client.recv(65536)
        if not data:
            return client.close()
        head += data
    if not head.startswith(b"GET /v1/"):
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(PAGE))
        client.sendall(PAGE)
        return client.close()
    daemon = socket.socket(socket.AF_UNIX)
    try:
        daemon.connect(path)
        daemon.sendall(head)
    except OSError:
        # The browser repeats a request whose connection breaks.
        return client.close()
    threading.Thread(target=pump, args=(client, daemon), daemon=True).start()
    pump(daemon, client)


listener = socket.create_server(("127.0.0.1", 0))


def accept():
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
options = webdriver.ChromeOptions()
options.binary_location = chromium
for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={place}/profile"):
    options.add_argument(flag)
options.page_load_strategy = "none"
browser = webdriver.Chrome(options=options, service=Service(driver_path))
try:
    browser.get(f"http://127.0.0.1:{listener.getsockname()[1]}/")
    while not os.path.exists(f"{place}/done"):
        time.sleep(0.2)
        got = browser.execute_script("return typeof got === 'undefined' ? null : [got, controls, source.readyState]")
        if got is not None:
            with open(f"{place}/browser.new", "w") as file:
                json.dump(got, file)
            os.replace(f"{place}/browser.new", f"{place}/browser")
finally:
    browser.quit()
PYTHON
browser=$!
pids+=("$browser")
for _ in {1..300}; do
    [[ -s $place/browser ]] && break
    kill -0 "$browser" 2>/dev/null || { echo "The browser did not start." >&2; exit 1; }
    sleep 0.1
done

for ((round = 1; round <= kills; round++)); do
    submit "$round"
    sleep "0.$((RANDOM % 60 + 20))"
    kill -9 "$daemon"
    wait "$daemon" 2>/dev/null || true
    serve
done
submit last

python3 - "$place" "$POLLUX_SOCKET" "$kills" <<'PYTHON'
import json, socket, sys, time

place, path, kills = sys.argv[1], sys.argv[2], int(sys.argv[3])


def log():
    """The ids of all events."""
    ids = []
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(path)
        stream.settimeout(30)
        stream.sendall(b"GET /v1/events?after=0 HTTP/1.0\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n")
        for line in stream.makefile("rb"):
            if not line.strip().startswith(b"{"):
                continue
            event = json.loads(line)
            if event.get("control") == "caught_up":
                return ids
            if "sequence" in event:
                ids.append(event["id"])
    sys.exit("The stream of events ended early.")


def by_curl():
    with open(f"{place}/curl") as file:
        return [line.strip() for line in file if line.endswith("\n")]


deadline, before = time.monotonic() + 60, None
while True:
    expected = log()
    with open(f"{place}/browser") as file:
        got, controls, _ = json.load(file)
    curl = by_curl()
    if len(got) >= len(expected) and len(curl) >= len(expected) and expected == before:
        break
    if time.monotonic() > deadline:
        break
    before = expected
    time.sleep(1)
for name, ids in (("Chromium", got), ("curl -N", curl)):
    missing, repeated = set(expected) - set(ids), len(ids) - len(set(ids))
    assert not missing and not repeated and ids == expected, f"{name}: {len(missing)} missing, {repeated} repeated"
assert controls == [], f"Chromium got {controls}"
print(f"{kills} kills, {len(expected)} events: Chromium and curl -N have each once and in order")
PYTHON
touch "$place/done"
