#!/usr/bin/env bash
# Runs every test. Installs what is missing first. The first build takes some minutes, later ones seconds.
#   scripts/run-tests.sh                       everything
#   scripts/run-tests.sh --filter LifecycleTests   what `swift test` would run with these arguments
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-dependencies.sh
swift build --build-tests --explicit-target-dependency-import-check error
if (($#)); then exec swift test --skip-build "$@"; fi

# The end-to-end tests start, kill and restart real processes; beside the others they would only wait for the cores.
swift test --skip-build --skip EndToEndTests
swift test --skip-build --filter EndToEndTests --no-parallel
