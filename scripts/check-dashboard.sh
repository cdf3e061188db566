#!/usr/bin/env bash
# Uses the dashboard in Chromium against a real daemon, the sandbox and a small provider of its own: every screen, by pointer and by
# keyboard, light, dark and 360 px wide, seven tabs, read-only, with axe-core on each; and pages of another origin that try to read and
# to act. Needs the built binary and, once, network for Debian's packages and pip.
#   scripts/check-dashboard.sh                  a minute
#   scripts/check-dashboard.sh --screenshots    writes docs/images too
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-dependencies.sh --browser
scripts/install-test-clients.sh --browser
pollux=${POLLUX_BIN:-$PWD/.build/debug/pollux}
[[ -x $pollux ]] || { echo "$pollux is missing: run swift build first." >&2; exit 1; }
exec .build/browser-venv/bin/python scripts/dashboard-browser.py "$pollux" "$@"
