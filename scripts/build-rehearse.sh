#!/usr/bin/env bash
# Builds what the console's page Rehearse runs into build/rehearse/: the simulation with the reader of
# plans, optimised for speed, as a module of JavaScript with its wasm. Does nothing when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."
# Beside cargo's own folder, which has the name of the profile.
STAGING=target/staging/rehearse
OUT=build/rehearse
WASM=target/wasm32-unknown-unknown/rehearse/tidegate_rehearse.wasm

# As in build-edge.sh, so that what both are built from is the same.
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="--cfg sha2_backend_soft=\"compact\" --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src="
# Compiled while cargo works, where it is missing.
scripts/wasm-bindgen.sh >/dev/null &
cargo rustc --crate-type cdylib --profile rehearse --target wasm32-unknown-unknown -p tidegate-rehearse --lib
wait $!
inputs="$(cat "$WASM" "$0" package-lock.json | sha256sum)"
if [ -f "$OUT/rehearse.js" ] && [ "$(cat "$STAGING/inputs" 2>/dev/null)" = "$inputs" ]; then exit 0; fi

rm -rf "$STAGING"
"$(scripts/wasm-bindgen.sh)/wasm-bindgen" "$WASM" --target web --out-dir "$STAGING" --out-name rehearse \
  --no-typescript --remove-name-section --remove-producers-section
# binaryen's further passes take some three times as long or more, and bring nothing: the first rehearsal takes longer
# for them, since the browser has larger functions to compile, later ones as long, and there are no fewer gzipped bytes.
# Without binaryen's newest features, so that browsers of the last years have them all.
node_modules/.bin/wasm-opt -O1 "$STAGING/rehearse_bg.wasm" -o "$STAGING/rehearse_bg.wasm" --enable-mutable-globals --enable-sign-ext \
  --enable-nontrapping-float-to-int --enable-bulk-memory --enable-multivalue --enable-reference-types
mkdir -p "$OUT"
cp "$STAGING/rehearse.js" "$STAGING/rehearse_bg.wasm" "$OUT/"
printf '%s' "$inputs" > "$STAGING/inputs"
printf 'built: rehearse, %s bytes of wasm gzipped\n' "$(gzip -9 -c "$OUT/rehearse_bg.wasm" | wc -c)" >&2
