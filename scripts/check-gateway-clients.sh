#!/usr/bin/env bash
# Loses replies of the providers' official Python clients, direct and through the gateway, and counts in the sandbox's ledger
# what was paid. Fails if a submit through the gateway was paid twice or does not reach its result. Writes
# docs/reports/gateway-clients.md. Needs a built binary, python3, openssl and, once, PyPI; without PyPI it says so and ends.
#   scripts/check-gateway-clients.sh                        some minutes
#   scripts/check-gateway-clients.sh --only openai,replicate --report /tmp/report.md
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
exec .build/clients-venv/bin/python scripts/gateway-clients.py "$pollux" "$@"
