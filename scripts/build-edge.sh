#!/usr/bin/env bash
# Builds the worker into build/worker/: cargo → wasm-bindgen → wasm-opt → esbuild, the steps of
# worker-build with an entry of our own (see src/edge/entry.js). Does nothing when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."
BIN=node_modules/.bin
# Beside cargo's own folder, which has the name of the profile.
STAGING=target/staging/edge
WASM=target/wasm32-unknown-unknown/edge/tidegate.wasm

# No path of this machine in the wasm, which is then the same wherever it is built.
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src="
# Compiled while cargo works, where it is missing.
scripts/wasm-bindgen.sh >/dev/null &
# With an rlib among the crate types, cargo would leave LTO out.
cargo rustc --crate-type cdylib --profile edge --target wasm32-unknown-unknown --lib
wait $!
inputs="$(cat "$WASM" src/edge/*.js "$0" package-lock.json | sha256sum)"
if [ -f build/worker/index.js ] && [ "$(cat "$STAGING/inputs" 2>/dev/null)" = "$inputs" ]; then exit 0; fi

rm -rf "$STAGING"
"$(scripts/wasm-bindgen.sh)/wasm-bindgen" "$WASM" --target module --out-dir "$STAGING" --out-name index \
  --no-typescript --remove-producers-section --experimental-reset-state-function
# The features that rustc and wasm-bindgen use; binaryen must not reach for newer ones than workerd has.
# What counts are gzipped bytes: inlining and simplified locals save raw ones and make code less alike,
# and functions beside those of a similar name find more that repeats. The low KB is the far end of Rust's
# stack, where no value lies.
"$BIN/wasm-opt" "$STAGING/index_bg.wasm" -o "$STAGING/index_bg.wasm" \
  -O2 --skip-pass=inlining-optimizing --skip-pass=simplify-locals --low-memory-unused --reorder-functions-by-name --strip-debug \
  --enable-mutable-globals --enable-sign-ext \
  --enable-nontrapping-float-to-int --enable-bulk-memory --enable-multivalue --enable-reference-types --enable-exception-handling
cp src/edge/{entry,border,http,kept,module,controller,shadow}.js "$STAGING/"
mkdir -p build/worker
"$BIN/esbuild" "$STAGING/entry.js" --bundle --format=esm --minify --external:./index_bg.wasm '--external:cloudflare:*' \
  --log-level=warning --log-override:duplicate-object-key=silent --outfile=build/worker/index.js
cp "$STAGING/index_bg.wasm" build/worker/index_bg.wasm
printf '%s' "$inputs" > "$STAGING/inputs"
printf 'built: worker, %s bytes of wasm gzipped\n' "$(gzip -9 -c build/worker/index_bg.wasm | wc -c)" >&2
