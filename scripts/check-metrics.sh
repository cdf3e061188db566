#!/usr/bin/env bash
# Lets a real Prometheus scrape a real daemon, and checks with promtool what it gets and the alert rules in packaging/. Also
# compares the metrics with the table of docs/metrics.md. Needs the built binary, python3, curl and, once, Debian's package
# prometheus, which is unpacked into .build and not installed, so that no service is started.
#   scripts/check-metrics.sh        scrapes for 60 seconds
#   scripts/check-metrics.sh 5      for 5 seconds, as CI does
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "usage: scripts/check-metrics.sh [seconds]" >&2; exit 64; }
pollux=${POLLUX_BIN:-$PWD/.build/debug/pollux}
[[ -x $pollux ]] || { echo "$pollux is missing: run swift build first." >&2; exit 1; }

if ! command -v promtool >/dev/null || ! command -v prometheus >/dev/null; then
    tools=$PWD/.build/prometheus
    if [[ ! -x $tools/usr/bin/promtool ]]; then
        mkdir -p "$tools"
        download() { (cd "$tools" && apt-get download -qq prometheus 2>/dev/null); }
        # A fresh machine has no lists of packages yet.
        download || { apt-get update -qq 2>/dev/null && download; } \
            || { echo "Debian's package prometheus cannot be downloaded: run apt-get update as root." >&2; exit 1; }
        dpkg-deb -x "$tools"/prometheus_*.deb "$tools"
        rm "$tools"/prometheus_*.deb
    fi
    PATH=$tools/usr/bin:$PATH
fi
promtool check rules packaging/alerts.yml

place=$(mktemp -d "${TMPDIR:-/tmp}/pollux-metrics.XXXXXX")
pids=()
clean_up() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$place"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

exec {lines}< <(exec "$pollux" sandbox --port 0 --speed 60 --seed 1 2>>"$place/sandbox.log")
pids+=($!)
read -r -t 20 sandbox <&"$lines"
export XHUOAPI_BASE_URL=$sandbox XHUOAPI_TOKEN=sandbox POLLUX_STATE_DIR=$place/state POLLUX_SOCKET=$place/pollux.sock
export POLLUX_CONFIG=$place/pollux.yaml POLLUX_METRICS_LISTEN=127.0.0.1:0
# Nothing listens at the destination, so it has something to wait for.
cat >"$POLLUX_CONFIG" <<'YAML'
notifications: {destinations: {nobody: {url: "http://127.0.0.1:9/hook"}}}
YAML
"$pollux" serve 2>"$place/daemon.log" &
pids+=($!)
ask() { curl -sS --max-time 10 --unix-socket "$POLLUX_SOCKET" "$@"; }
for _ in {1..400}; do ask http://localhost/healthz >/dev/null 2>&1 && break; sleep 0.05; done
address=$(sed -n 's|.*Metrics are shown at http://\(.*\)/metrics$|\1|p' "$place/daemon.log")
[[ -n $address ]] || { echo "The daemon shows no metrics:" >&2; tail -5 "$place/daemon.log" >&2; exit 1; }

for i in {1..20}; do echo '{"endpoint":"flux/images","request":{"prompt":"a fox '"$i"' [seconds=5]"}}'; done \
    | ask http://localhost/v1/tasks -H 'Content-Type: application/x-ndjson' --data-binary @- >/dev/null

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$place/prometheus.yml" <<YAML
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [$PWD/packaging/alerts.yml]
scrape_configs:
  - job_name: pollux
    static_configs: [{targets: ["$address"]}]
YAML
promtool check config "$place/prometheus.yml" >/dev/null
prometheus --config.file="$place/prometheus.yml" --storage.tsdb.path="$place/tsdb" \
    --web.listen-address="127.0.0.1:$port" >"$place/prometheus.log" 2>&1 &
pids+=($!)
for _ in {1..400}; do curl -sf --max-time 10 "http://127.0.0.1:$port/-/ready" >/dev/null && break; sleep 0.05; done
# Prometheus takes some seconds before it knows its targets.
for _ in {1..600}; do
    curl -sf --max-time 10 "http://127.0.0.1:$port/api/v1/targets" | grep -q '"health":"up"' && break
    sleep 0.1
done
sleep "$seconds"

ask http://localhost/metrics >"$place/socket.txt"
curl -sS --max-time 10 "http://$address/metrics" >"$place/metrics.txt"
promtool check metrics <"$place/socket.txt"
promtool check metrics <"$place/metrics.txt"
[[ $(curl -s -o /dev/null -w '%{http_code}' "http://$address/v1/tasks") == 404 ]] \
    || { echo "The address of the metrics answers other requests." >&2; exit 1; }

python3 - "$port" "$seconds" "$place/metrics.txt" docs/metrics.md <<'PYTHON'
import json, re, sys, urllib.parse, urllib.request

port, seconds, scraped, page = sys.argv[1], int(sys.argv[2]), open(sys.argv[3]).read(), open(sys.argv[4]).read()


def ask(path, **query):
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=10) as reply:
        return json.load(reply)["data"]


def value(expression):
    found = ask("query", query=expression)["result"]
    return float(found[0]["value"][1]) if found else None


target = ask("targets")["activeTargets"][0]
assert target["health"] == "up" and not target["lastError"], target
scrapes = value('count_over_time(up{job="pollux"}[10m])')
assert scrapes >= max(1, seconds * 0.5 - 2), f"{scrapes} scrapes in {seconds} s"
assert value('min_over_time(up{job="pollux"}[10m])') == 1, "a scrape failed"
assert value("sum(pollux_tasks)") == 20, value("sum(pollux_tasks)")
assert value("sum(pollux_submissions_total)") >= 1
assert value('sum(pollux_poll_requests_total{outcome="answered"})') >= 1 or seconds < 10
rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
assert rules and all(rule["health"] in ("ok", "unknown") for rule in rules), rules
assert not [rule["name"] for rule in rules if rule["state"] == "firing"], rules
longest = value('max_over_time(scrape_duration_seconds{job="pollux"}[10m])')

types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", scraped, re.M))
documented = {}
for names, kind in re.findall(r"^\| (`pollux_[^|]*) \| (\w+) \|", page, re.M):
    documented |= {name: kind for name in re.findall(r"`(\w+)`", names)}
# A counter without a series is not there yet.
missing = {name for name in documented.keys() - types.keys() if documented[name] != "counter"}
assert not missing, f"docs/metrics.md names what is not there: {missing}"
wrong = {name: kind for name, kind in types.items() if documented.get(name) != kind}
assert not wrong, f"docs/metrics.md lacks these, or with another type: {wrong}"
print(f"{scrapes:.0f} scrapes of {len(types)} metrics by Prometheus, the longest {longest * 1000:.0f} ms; {len(rules)} rules")
PYTHON
