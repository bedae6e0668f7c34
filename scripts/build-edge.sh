#!/usr/bin/env bash
# Builds the worker into build/. worker-build finds its tools by these variables only; without them
# it would download its own.
set -euo pipefail
cd "$(dirname "$0")/.."
CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/tidegate/tools"
export WASM_BINDGEN_BIN="$CACHE/wasm-bindgen-cli-0.2.129/bin/wasm-bindgen"
export ESBUILD_BIN="$PWD/node_modules/.bin/esbuild"
export WASM_OPT_BIN="$PWD/node_modules/.bin/wasm-opt"
exec "$CACHE/worker-build-0.8.7/bin/worker-build" --profile edge
