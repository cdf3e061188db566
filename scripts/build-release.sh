#!/usr/bin/env bash
# Builds the binary for use: optimised across modules, Swift's libraries inside, so that it runs on any Debian of the same
# or a later release that has libsqlite3-0. Takes some minutes the first time. Prints where it is and how large.
#   scripts/build-release.sh                     builds, strips
#   scripts/build-release.sh --show-path         only says where the stripped binary is
#   scripts/build-release.sh --product NAME      builds another product with the same settings, unstripped
set -euo pipefail
cd "$(dirname "$0")/.."

# Nothing is loaded into the binary at run time, so it exports no symbols. Packed relocations make it 4 MB smaller, on disk and
# in memory; glibc 2.36 (Debian 12) reads them.
settings=(-c release --static-swift-stdlib -Xswiftc -cross-module-optimization -Xlinker --no-export-dynamic
    -Xswiftc -Xclang-linker -Xswiftc -fuse-ld=lld -Xlinker -z -Xlinker pack-relative-relocs)
[[ -n "${POLLUX_SCRATCH_PATH:-}" ]] && settings+=(--scratch-path "$POLLUX_SCRATCH_PATH")
place="$(swift build "${settings[@]}" --show-bin-path)"
stripped="$place/stripped/pollux"

case "${1:-}" in
    --show-path) echo "$stripped" ;;
    --product) swift build "${settings[@]}" --product "$2" --quiet ;;
    "")
        scripts/install-dependencies.sh
        swift build "${settings[@]}" --product pollux
        mkdir -p "$(dirname "$stripped")"
        # Symbols are of use to a profiler only; the binary beside it keeps them.
        strip -o "$stripped" "$place/pollux"
        printf '%s\n%s MiB stripped, %s MiB with symbols\n' "$stripped" \
            "$(($(stat -c %s "$stripped") >> 20))" "$(($(stat -c %s "$place/pollux") >> 20))"
        ;;
    *) echo "What is $1? See the top of $0." >&2; exit 64 ;;
esac
