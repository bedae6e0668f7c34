#!/usr/bin/env bash
# Prints the gzipped size of the wasm beside its budget, and fails over it.
set -euo pipefail
cd "$(dirname "$0")/.."
BUDGET=300000
size="$(gzip -9 -c build/worker/index_bg.wasm | wc -c)"
printf 'wasm: %s bytes gzipped (budget %s, %s %%)\n' "$size" "$BUDGET" "$((size * 100 / BUDGET))"
[ "$size" -le "$BUDGET" ]
