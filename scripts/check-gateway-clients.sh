#!/usr/bin/env bash
# Loses replies of the providers' official Python and JavaScript clients, direct and through the gateway, and counts in the
# sandbox's ledger what was paid. Fails if a submit through the gateway was paid twice or does not reach its result. Writes
# docs/reports/gateway-clients.md. Needs a built binary, python3, openssl and, once, PyPI; without PyPI it says so and ends.
# The JavaScript clients need node and, once, npm's registry, or a directory that has them; without them it says so and goes on.
#   scripts/check-gateway-clients.sh                        some ten minutes
#   scripts/check-gateway-clients.sh --only openai,@runwayml/sdk --report /tmp/report.md
#   POLLUX_NODE_MODULES=DIR scripts/check-gateway-clients.sh
#   POLLUX_BIN=… scripts/check-gateway-clients.sh --direct-only
set -euo pipefail
cd "$(dirname "$0")/.."

pollux=${POLLUX_BIN:-$PWD/.build/release/pollux}
[[ -x $pollux ]] || pollux=$PWD/.build/debug/pollux
[[ -x $pollux ]] || { echo "$pollux is missing: run swift build first." >&2; exit 1; }
if ! scripts/install-test-clients.sh; then
    echo "PyPI cannot be reached, so the check of the gateway with official clients was left out."
    exit 0
fi

unset NODE_PATH
modules=${POLLUX_NODE_MODULES:-$PWD/.build/clients-node/node_modules}
packages=(openai replicate @runwayml/sdk @fal-ai/client @google/genai)
if [[ -z ${POLLUX_NODE_MODULES:-} && ! -d $modules/@google/genai ]] && command -v npm >/dev/null; then
    timeout 300 npm install --silent --no-audit --no-fund --fetch-retries 0 --fetch-timeout 20000 \
        --prefix .build/clients-node "${packages[@]}" || true
fi
if command -v node >/dev/null && [[ -d $modules ]]; then
    export NODE_PATH=$modules
else
    echo "There is no node, or $modules is missing and npm's registry cannot be reached: only the Python clients are checked."
fi
exec .build/clients-venv/bin/python scripts/gateway-clients.py "$pollux" "$@"
