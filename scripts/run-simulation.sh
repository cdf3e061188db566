#!/usr/bin/env bash
# Runs seeded histories of a world that breaks: real engine, real store, a scripted provider, kills between any two steps.
# Nobody waits; a failure prints its seed. Run it after changing the engine or the store.
#   scripts/run-simulation.sh                              2,000 fresh histories
#   scripts/run-simulation.sh 100000                       as many as you like
#   POLLUX_SIMULATION_SEED=42 scripts/run-simulation.sh    that one again, step by step, with its whole trace
#   POLLUX_SIMULATION_ACCOUNTS=1 …                         each with several accounts
#   POLLUX_SIMULATION_MACHINES=1 …                         each with two or three daemons on one store
#   POLLUX_SIMULATION_SERVER=1 …                           each of one daemon with the leases of a database on a server
#   POLLUX_SIMULATION_POSTGRES=1 …                         either of these on a PostgreSQL that the script starts
#   POLLUX_SIMULATION_CONFIGURATION=release …              several times as fast, once it is built
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-dependencies.sh ${POLLUX_SIMULATION_POSTGRES:+--postgres}
options=(--configuration "${POLLUX_SIMULATION_CONFIGURATION:-debug}")
# The simulation looks at what a loop has claimed, which a release build hides from tests otherwise.
[[ ${options[1]} == release ]] && options+=(-Xswiftc -enable-testing)

[[ -n ${POLLUX_SIMULATION_SEED:-} ]] || export POLLUX_SIMULATION_HISTORIES="${1:-2000}"
swift build --build-tests --quiet "${options[@]}"
exec swift test --skip-build "${options[@]}" --filter 'the histories that the script asks for hold'
