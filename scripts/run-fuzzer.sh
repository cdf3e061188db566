#!/usr/bin/env bash
# Fuzzes one reader of strangers' bytes with libFuzzer for some seconds, beginning with the kept corpus. An input that
# breaks something is left in the directory it prints; put it into Tests/FuzzTests/Corpus when it is fixed.
#   scripts/run-fuzzer.sh                          every reader, a minute each
#   scripts/run-fuzzer.sh provider-reply 600       one reader, ten minutes
set -euo pipefail
cd "$(dirname "$0")/.."

readers=(json socket-document provider-reply callback-body definition text)
seconds=${2:-60}
if (($#)); then
    [[ " ${readers[*]} " == *" $1 "* ]] || { echo "usage: scripts/run-fuzzer.sh [${readers[*]}] [seconds]" >&2; exit 64; }
    readers=("$1")
fi
scripts/install-dependencies.sh
export POLLUX_FUZZER=1
options=(-c release --sanitize fuzzer --scratch-path .build-fuzzer --product fuzzer)
swift build "${options[@]}"
fuzzer=$(swift build "${options[@]}" --show-bin-path)/fuzzer

for reader in "${readers[@]}"; do
    work=.build-fuzzer/corpus/$reader
    mkdir -p "$work"
    echo "== $reader, $seconds seconds"
    POLLUX_FUZZ_TARGET=$reader "$fuzzer" "$work" "Tests/FuzzTests/Corpus/$reader" \
        -artifact_prefix="$work-" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=2048 -max_len=20000 \
        -print_final_stats=1 -print_funcs=0 -verbosity=0 2>&1 | sed '/ # Uses: /d; /^###### /d'
done
