#!/usr/bin/env bash
# Makes sure that there is a promtool, which checks what Prometheus is to read. Debian's package is
# installed where this may be done without asking; elsewhere its absence is an error that says what to do.
set -euo pipefail
command -v "${PROMTOOL:-promtool}" >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "promtool: installing Debian's package prometheus (once, about a minute)" >&2
  apt-get update -qq >&2
  # The server that comes along is not started.
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -qq -y --no-install-recommends prometheus >&2
  exit 0
fi
echo "promtool: there is none; install it (apt install prometheus), or set PROMTOOL to the path of one" >&2
exit 1
