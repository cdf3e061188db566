#!/usr/bin/env bash
# Checks the Python client against the built daemon and the sandbox: its types with mypy, an installation without a network,
# its tests, and N tasks through `map` with `kill -9` of the daemon and of the program in between. Needs the built binary,
# python3 and mypy (scripts/install-dependencies.sh).
#   scripts/check-python-client.sh          60 tasks, half a minute
#   scripts/check-python-client.sh 1000     some minutes
#   POLLUX_PYTHON=python3.9 scripts/check-python-client.sh     another Python
set -euo pipefail
cd "$(dirname "$0")/.."

tasks=${1:-60}
[[ $tasks =~ ^[1-9][0-9]*$ ]] || { echo "usage: scripts/check-python-client.sh [number of tasks]" >&2; exit 64; }
python=${POLLUX_PYTHON:-python3}
export POLLUX_BIN=${POLLUX_BIN:-$PWD/.build/debug/pollux}
[[ -x $POLLUX_BIN ]] || { echo "$POLLUX_BIN is missing: run swift build first." >&2; exit 1; }

place=$(mktemp -d "${TMPDIR:-/tmp}/pollux-python.XXXXXX")
pids=()
clean_up() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$place"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# An index that does not exist shows that nothing is downloaded. The tests use what was installed.
"$python" -m venv "$place/venv"
PIP_NO_INDEX=1 "$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check ./clients/python
echo "pip install ./clients/python: $("$place/venv/bin/python" -c 'import pollux_client, sys
print(pollux_client.__version__, "for Python", sys.version.split()[0], "without a network")')"

# The tests wait more than they work, so the files run side by side.
unset PYTHONPATH
export PYTHONDONTWRITEBYTECODE=1
run_tests() {
    cd clients/python/tests
    # A test that hangs ends with a trace of every thread.
    exec timeout -s ABRT 180 "$place/venv/bin/python" -W error -X faulthandler -m unittest "$1" >"$place/$1.log" 2>&1
}
names=()
for file in clients/python/tests/test_*.py; do
    name=$(basename "$file" .py)
    names+=("$name")
    run_tests "$name" &
    pids+=($!)
done
mypy --config-file clients/python/pyproject.toml --python-version 3.9 --cache-dir "$place/mypy" \
    clients/python/src clients/python/tests clients/python/build_wheel.py
failed=0
for index in "${!names[@]}"; do
    if wait "${pids[index]}"; then
        echo "${names[index]}: $(sed -n 's/^Ran //p' "$place/${names[index]}.log")"
    else
        failed=1
        cat "$place/${names[index]}.log"
    fi
done
pids=()
((failed == 0)) || { echo "Tests of the Python client failed." >&2; exit 1; }

(cd clients/python/tests && exec "$place/venv/bin/python" -W error kill_map.py "$tasks" ${POLLUX_PYTHON_SEED:-}) &
pids=($!)
wait "${pids[0]}"
