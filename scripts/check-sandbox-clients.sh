#!/usr/bin/env bash
# Proves that the sandbox speaks the provider's wire shapes: clients that were not written for it must work.
# Run after changing a route or a shape. With a base URL (of a sandbox that runs at speed 30 or more) it uses
# that; without one it starts the built `pollux sandbox` itself. Needs python3 and, once, network for pip.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly venv=.build/clients-venv
scripts/install-test-clients.sh

sandbox_pid=
stop_sandbox() {
    if [[ -n $sandbox_pid ]]; then
        kill "$sandbox_pid" 2>/dev/null || true
        wait "$sandbox_pid" 2>/dev/null || true
    fi
}
trap stop_sandbox EXIT

base_url=${1:-}
if [[ -z $base_url ]]; then
    readonly pollux=.build/debug/pollux
    if [[ ! -x $pollux ]]; then
        echo "$pollux is missing: run swift build first, or pass the base URL of a running sandbox." >&2
        exit 1
    fi
    exec {urls}< <(exec "$pollux" sandbox --port 0 --speed 60 --seed 1)
    sandbox_pid=$!
    # Its first line is the base URL, as soon as it listens.
    if ! read -r -t 20 base_url <&"$urls"; then
        echo "the sandbox stopped, or said nothing for 20 s, before it listened." >&2
        exit 1
    fi
    base_url=${base_url%/v1}
fi

for client in polling_client official_client; do
    for prefix in "" /v1; do
        echo "== $client.py against $base_url$prefix"
        "$venv/bin/python" "Tests/SandboxTests/Clients/$client.py" "$base_url$prefix"
    done
done
echo "== other_clients.py against $base_url"
"$venv/bin/python" Tests/SandboxTests/Clients/other_clients.py "$base_url"
