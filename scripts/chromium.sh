#!/usr/bin/env bash
# Makes sure that there is a Chromium for the browser tests. Debian's package is installed where
# this may be done without asking; elsewhere its absence is an error that says what to do.
set -euo pipefail
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "chromium: installing Debian's package (once, about a minute)" >&2
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >&2
  exit 0
fi
echo "chromium: there is none at ${CHROMIUM:-/usr/bin/chromium}; install it (apt install chromium), or set CHROMIUM to the path of a Chromium or Chrome" >&2
exit 1
