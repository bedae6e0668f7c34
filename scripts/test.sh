#!/usr/bin/env bash
# Runs stages of `make test` one after another, up to the first that fails, and says at the end what each took.
set -euo pipefail
cd "$(dirname "$0")/.."

report=""
finish() { printf '\n%s  %-18s %5d s\n' "$report" "in all" "$(($(date +%s) - begun))"; }
begun="$(date +%s)"
trap finish EXIT
for stage in "$@"; do
  SECONDS=0
  status=0
  "${MAKE:-make}" --no-print-directory "$stage" || status=$?
  report+="$(printf '  %-18s %5d s%s' "$stage" "$SECONDS" "$([ "$status" = 0 ] || printf '  failed')")"$'\n'
  if [ "$status" != 0 ]; then exit "$status"; fi
done
