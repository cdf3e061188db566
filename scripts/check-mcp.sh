#!/usr/bin/env bash
# Lets the official Python client of the Model Context Protocol speak to `pollux mcp` in each era, with a real daemon and the
# sandbox: generate, wait, get, cancel; servers and daemons killed in the middle of calls; equal calls whose replies are lost. Fails
# if anything was billed twice, or if a result shows a token. Needs the built binary, python3 and, once, network for pip.
#   scripts/check-mcp.sh          half a minute
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-test-clients.sh
pollux=${POLLUX_BIN:-$PWD/.build/debug/pollux}
[[ -x $pollux ]] || { echo "$pollux is missing: run swift build first." >&2; exit 1; }
exec .build/clients-venv/bin/python scripts/mcp-client.py "$pollux"
