#!/usr/bin/env bash
# Makes sure that there are a Prometheus and an Alertmanager, which the tests of signals start themselves. Prints the
# folder of both. Debian's packages are unpacked into a folder of ours: nothing is installed, no service is started, and
# nobody has to be root.
set -euo pipefail
TARGET="${XDG_CACHE_HOME:-$HOME/.cache}/tidegate/monitoring"
[ -x "$TARGET/prometheus" ] && [ -x "$TARGET/prometheus-alertmanager" ] && echo "$TARGET" && exit 0
if command -v prometheus >/dev/null && command -v prometheus-alertmanager >/dev/null; then
  dirname "$(command -v prometheus)"
  exit 0
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
  echo "monitoring: there is no Prometheus; install prometheus and prometheus-alertmanager so that both are in PATH" >&2
  exit 1
fi
echo "monitoring: unpacking Debian's packages prometheus and prometheus-alertmanager (once, about a minute)" >&2
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
mkdir -p "$WORK/lists/partial" "$WORK/cache/archives/partial" "$WORK/unpacked"
# Lists of our own, so that they are those of today.
APT=(apt-get -qq -o "Dir::State::lists=$WORK/lists" -o "Dir::Cache=$WORK/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User=)
"${APT[@]}" update >&2
(cd "$WORK" && "${APT[@]}" download prometheus prometheus-alertmanager >&2)
for package in "$WORK"/*.deb; do dpkg-deb -x "$package" "$WORK/unpacked"; done
mkdir -p "$TARGET"
# Debian's Alertmanager looks for its templates at the place where it is installed. A path of the same length means the
# folder that it is started in.
ALERTMANAGER=/usr/share/prometheus/alertmanager
HERE=$(printf './%.0s' {1..17})
LC_ALL=C sed -i "s#$ALERTMANAGER#$HERE#g" "$WORK/unpacked/usr/bin/prometheus-alertmanager"
cp "$WORK/unpacked$ALERTMANAGER"/*.tmpl "$TARGET"
for program in prometheus prometheus-alertmanager; do
  # Another run may do the same.
  cp "$WORK/unpacked/usr/bin/$program" "$TARGET/$program.$$"
  mv "$TARGET/$program.$$" "$TARGET/$program"
done
echo "$TARGET"
