#!/usr/bin/env bash
# Installs, from PyPI into .build, the clients of other people that check the sandbox and the socket, and what drives a browser.
# Does nothing where they are there; fails where PyPI cannot be reached.
#   scripts/install-test-clients.sh --browser     only what drives a browser
set -euo pipefail
cd "$(dirname "$0")/.."

install() {
    local venv=$1 probe=$2
    shift 2
    [[ -x $venv/bin/python ]] || python3 -m venv "$venv"
    "$venv/bin/python" -c "$probe" 2>/dev/null || timeout 300 "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}
install .build/browser-venv 'import selenium' 'selenium>=4.20,<5'
# It carries axe.min.js, and is not imported: it would need Playwright.
install .build/browser-venv 'import importlib.util as find; assert find.find_spec("axe_playwright_python")' --no-deps 'axe-playwright-python>=0.1.4,<0.2'
[[ ${1:-} == --browser ]] && exit
install .build/clients-venv \
    'import acedatacloud, fal_client, google.genai, mcp, openai, replicate, requests, runwayml, standardwebhooks' \
    acedatacloud fal-client google-genai 'mcp>=2.3,<3' openai replicate requests runwayml standardwebhooks
install .build/schemathesis-venv 'import schemathesis' 'schemathesis>=4.32,<5'
