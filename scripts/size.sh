#!/usr/bin/env bash
# Prints the size of the wasm, raw and gzipped. There is no budget but the platform's (3 MB gzipped on the
# free plan); what counts is cold start, which `make bench-cold` measures.
set -euo pipefail
cd "$(dirname "$0")/.."
printf 'wasm: %s bytes, %s gzipped\n' "$(wc -c < build/worker/index_bg.wasm)" "$(gzip -9 -c build/worker/index_bg.wasm | wc -c)"
