#!/usr/bin/env bash
# Makes sure that there is a Chromium for the browser tests. Debian's packages are installed where
# this may be done without asking; elsewhere its absence is an error that says what to do.
set -euo pipefail
BROWSER=/usr/bin/chromium
# Without the browser's own windows, which takes less than half of the work. Debian has it since 12.
SHELL_ONLY=/usr/bin/chromium-headless-shell

install() { DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >&2; }

if [ -n "${CHROMIUM:-}" ]; then
  [ -x "$CHROMIUM" ] && exit 0
elif [ -x "$BROWSER" ] && [ -x "$SHELL_ONLY" ]; then
  exit 0
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "chromium: installing Debian's packages (once, about a minute)" >&2
  apt-get update -qq >&2 || true
  [ -x "$BROWSER" ] || install chromium
  [ -x "$SHELL_ONLY" ] || install chromium-headless-shell ||
    echo "chromium: there is no package chromium-headless-shell; the tests take longer without it" >&2
  exit 0
elif [ -x "$BROWSER" ]; then
  exit 0
fi
echo "chromium: there is none at ${CHROMIUM:-$BROWSER}; install it (apt install chromium), or set CHROMIUM to the path of a Chromium or Chrome" >&2
exit 1
