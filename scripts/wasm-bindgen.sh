#!/usr/bin/env bash
# Prints the folder of wasm-bindgen and its runner of tests, and compiles them first where they are
# missing. They lie in a cache outside of the checkout, keyed by version, so that the next clean checkout
# finds them. Two builds at once compile them once.
set -euo pipefail
VERSION=0.2.129
ROOT="${XDG_CACHE_HOME:-$HOME/.cache}/tidegate/tools/wasm-bindgen-cli-$VERSION"

is_there() { [ -x "$ROOT/bin/wasm-bindgen" ] && [ -x "$ROOT/bin/wasm-bindgen-test-runner" ]; }

# Unoptimised, without symbols for a debugger and without TLS, with which it would fetch drivers of
# browsers: a third of the work goes, and it is fast enough for modules of this size.
compile() {
  printf 'wasm-bindgen: compiling %s (once, about a minute of work)\n' "$VERSION" >&2
  local target
  target="$(mktemp -d)"
  CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR="$target" cargo install wasm-bindgen-cli --version "$VERSION" --locked \
    --debug --no-default-features --bin wasm-bindgen --bin wasm-bindgen-test-runner --root "$ROOT.part" >&2
  rm -rf "$target" "$ROOT"
  mv "$ROOT.part" "$ROOT"
}

if ! is_there; then
  mkdir -p "$(dirname "$ROOT")"
  exec 9> "$ROOT.lock"
  if command -v flock >/dev/null; then flock 9; fi
  is_there || compile
fi
printf '%s/bin' "$ROOT"
