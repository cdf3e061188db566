#!/usr/bin/env bash
# Formats all Swift sources; with --check it only says what is not formatted, and fails if there is anything.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ "${1:-}" == --check ]]; then
  swift format lint --strict --parallel --recursive Package.swift Sources Tests migrations
else
  swift format --in-place --parallel --recursive Package.swift Sources Tests migrations
fi
