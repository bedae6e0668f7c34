#!/usr/bin/env bash
# Installs and builds the sites of real frameworks that the tests put behind Tidegate, and prints where
# each lies (`NAME=FOLDER`). They lie in a cache outside of the checkout: packages keyed by lock file, builds by
# sources as well, so that the next clean checkout finds them. Does nothing when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/../tests/frameworks"
CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/tidegate/frameworks"
mkdir -p "$CACHE"

say() { printf 'frameworks: %s\n' "$*" >&2; }
fail() { printf 'frameworks: %s\n' "$*" >&2; exit 1; }

# The versions of the runtimes are part of the key: packages may hold what was compiled for them.
key() { sha256sum | cut -c1-16; }

# The sources of a site, in an order of their own, with their names.
sources() { # folder
  find "$1" -type f -not -name '*.pyc' | LC_ALL=C sort | xargs sha256sum
}

# A folder to build in. Two runs at once build the same thing twice, and the first one done is kept.
part() { mktemp -d "$CACHE/part.XXXXXX"; }
keep() { # part folder
  if [ -d "$2" ]; then rm -rf "$1"; else mv "$1" "$2"; fi
}

# Installs the packages of a site by its lock file and prints their folder.
npm_packages() { # site
  local packages new
  packages="$CACHE/$1-packages-$({ cat "$1/package-lock.json"; node --version; uname -sm; } | key)"
  if [ ! -d "$packages" ]; then
    say "installing what the site $1 needs (once, about half a minute)"
    new="$(part)"
    cp "$1/package.json" "$1/package-lock.json" "$new/"
    (cd "$new" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2) || fail "the packages of the site $1 cannot be installed"
    keep "$new" "$packages"
  fi
  printf '%s' "$packages"
}

# --- SvelteKit, on adapter-node, at the root and under /shop -------------------------------------------

sveltekit() {
  local packages built new
  packages="$(npm_packages sveltekit)"
  built="$CACHE/sveltekit-$({ sources sveltekit; printf '%s' "$packages"; } | key)"
  if [ ! -d "$built" ]; then
    say "building the SvelteKit site"
    new="$(part)"
    cp -R sveltekit "$new/site"
    ln -s "$packages/node_modules" "$new/site/node_modules"
    (cd "$new/site" && OUT=../root npx vite build --logLevel error >/dev/null && BASE=/shop OUT=../shop npx vite build --logLevel error >/dev/null)
    rm -rf "$new/site"
    # The server has bundled what it needs, but is a module only beside a package.json that says so.
    printf '{ "type": "module" }\n' > "$new/package.json"
    keep "$new" "$built"
  fi
  printf 'sveltekit=%s\n' "$built"
}

# --- Django, on gunicorn --------------------------------------------------------------------------------

django() {
  local packages built new python="${PYTHON:-python3}"
  command -v "$python" >/dev/null || fail "Python is missing: install version 3.11 or later, then run this again"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$("$python" --version) is too old: install version 3.11 or later"
  packages="$CACHE/django-packages-$({ cat django/requirements.txt; "$python" --version; uname -sm; } | key)"
  if [ ! -d "$packages" ]; then
    say "installing Django (once, about half a minute)"
    new="$(part)"
    "$python" -m venv "$new" >&2 || fail "Python lacks its module venv: install it (apt install python3-venv)"
    # Its programs name the folder in which they were installed, so Python is always asked for modules.
    "$new/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r django/requirements.txt >&2
    keep "$new" "$packages"
  fi
  built="$CACHE/django-$({ sources django; printf '%s' "$packages"; } | key)"
  if [ ! -d "$built" ]; then
    say "preparing the Django site"
    new="$(part)"
    cp -R django/. "$new/"
    # A link to Python would not know its packages.
    printf '#!/bin/sh\nexec "%s/bin/python" "$@"\n' "$packages" > "$new/python"
    chmod +x "$new/python"
    (
      cd "$new"
      export DATABASE=template.sqlite3 STATIC_ROOT=static DJANGO_SUPERUSER_PASSWORD=secret
      ./python manage.py migrate --verbosity 0 >&2
      ./python manage.py createsuperuser --noinput --verbosity 0 --username ana --email ana@example.com >&2
      ./python manage.py collectstatic --noinput --verbosity 0 >&2
    )
    keep "$new" "$built"
  fi
  printf 'django=%s\n' "$built"
}

# --- Next.js, on its own server -------------------------------------------------------------------------

next() {
  local packages built new
  packages="$(npm_packages next)"
  built="$CACHE/next-$({ sources next; printf '%s' "$packages"; } | key)"
  if [ ! -d "$built" ]; then
    say "building the Next.js site"
    new="$(part)"
    cp -R next/. "$new/"
    ln -s "$packages/node_modules" "$new/node_modules"
    (cd "$new" && NEXT_TELEMETRY_DISABLED=1 npx next build >/dev/null)
    rm -rf "$new/.next/cache"
    keep "$new" "$built"
  fi
  printf 'next=%s\n' "$built"
}

sveltekit
django
next
