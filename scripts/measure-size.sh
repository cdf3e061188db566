#!/usr/bin/env bash
# Says what the bytes of a binary are: by section, and by the part that its symbols belong to.
#   scripts/measure-size.sh              of the release binary, which scripts/build-release.sh made; writes docs/reports/size.md
#   scripts/measure-size.sh BINARY       of another one, with its symbols
set -euo pipefail
cd "$(dirname "$0")/.."

report=docs/reports/size.md
if [[ $# -gt 0 ]]; then
    binary=$1 report=/dev/stdout
else
    # The stripped binary lies in a directory beside the one with symbols.
    binary=$(dirname "$(dirname "$(scripts/build-release.sh --show-path)")")/pollux
fi
[[ -f $binary ]] || { echo "$binary is missing: run scripts/build-release.sh first." >&2; exit 1; }
{
    cat <<'TEXT'
# What the binary is made of

Written by `scripts/measure-size.sh` from the release binary. Symbols and debug information, which `strip` removes, do not count.

TEXT
    python3 scripts/measure-size.py "$binary"
    cat <<'TEXT'
- **ICU** (Unicode, languages, calendars) is a third of it. It comes with Foundation, which GRDB and Yams import in full; the rooms of
  Pollux import FoundationEssentials, which does without.
- **Tables for unwinding** belong to the machine code of C++ and of Swift's runtime, and grow with all of it.
- The second table counts only what has a symbol. Code of libraries that the compiler made for types of Pollux counts as Pollux, or as
  Swift's standard library.
- The binary exports no symbols for the dynamic linker (`--no-export-dynamic`), because nothing is loaded into it.
TEXT
} >"$report"
