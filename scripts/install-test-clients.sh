#!/usr/bin/env bash
# Installs, from PyPI into .build, the clients of other people that check the sandbox and the socket. Does nothing where
# they are there; fails where PyPI cannot be reached.
set -euo pipefail
cd "$(dirname "$0")/.."

install() {
    local venv=$1 probe=$2
    shift 2
    [[ -x $venv/bin/python ]] || python3 -m venv "$venv"
    "$venv/bin/python" -c "$probe" 2>/dev/null || timeout 300 "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}
install .build/clients-venv \
    'import acedatacloud, fal_client, google.genai, mcp, openai, replicate, requests, runwayml, standardwebhooks' \
    acedatacloud fal-client google-genai 'mcp>=2.3,<3' openai replicate requests runwayml standardwebhooks
install .build/schemathesis-venv 'import schemathesis' 'schemathesis>=4.32,<5'
