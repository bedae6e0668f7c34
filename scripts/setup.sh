#!/usr/bin/env bash
# Installs what the build needs and this machine lacks: the wasm target and the npm packages. Does nothing
# when nothing is missing. (scripts/wasm-bindgen.sh compiles wasm-bindgen, beside the first build.)
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

command -v cargo >/dev/null || fail "Rust is missing: install it with rustup (https://rustup.rs), then run this again"
command -v node >/dev/null || fail "Node.js is missing: install version 20.3 or later, then run this again"
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 3) ? 0 : 1)' ||
  fail "Node.js $(node --version) is too old: install version 20.3 or later"

sysroot="$(rustc --print sysroot)"
if [ ! -d "$sysroot/lib/rustlib/wasm32-unknown-unknown" ]; then
  command -v rustup >/dev/null || fail "the wasm32-unknown-unknown target is missing and there is no rustup to add it"
  say "adding the wasm32-unknown-unknown target"
  rustup target add wasm32-unknown-unknown
fi

if [ ! -d node_modules ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say "installing the npm packages (once, about a minute)"
  npm ci --no-audit --no-fund --loglevel=error >&2
fi
