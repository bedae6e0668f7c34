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

# Installs the packages of a site by its lock file and prints their folder.
npm_packages() { # site
  local packages
  packages="$CACHE/$1-packages-$({ cat "$1/package-lock.json"; node --version; uname -sm; } | key)"
  if [ ! -d "$packages" ]; then
    say "installing what the site $1 needs (once, about half a minute)"
    rm -rf "$packages.part"
    mkdir -p "$packages.part"
    cp "$1/package.json" "$1/package-lock.json" "$packages.part/"
    (cd "$packages.part" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
    mv "$packages.part" "$packages"
  fi
  printf '%s' "$packages"
}

# --- SvelteKit, on adapter-node, at the root and under /shop -------------------------------------------

sveltekit() {
  local packages built
  packages="$(npm_packages sveltekit)"
  built="$CACHE/sveltekit-$({ sources sveltekit; printf '%s' "$packages"; } | key)"
  if [ ! -d "$built" ]; then
    say "building the SvelteKit site"
    rm -rf "$built.part"
    mkdir -p "$built.part"
    cp -R sveltekit "$built.part/site"
    ln -s "$packages/node_modules" "$built.part/site/node_modules"
    (cd "$built.part/site" && OUT=../root npx vite build --logLevel error >/dev/null && BASE=/shop OUT=../shop npx vite build --logLevel error >/dev/null)
    rm -rf "$built.part/site"
    # The server has bundled what it needs, but is a module only beside a package.json that says so.
    printf '{ "type": "module" }\n' > "$built.part/package.json"
    mv "$built.part" "$built"
  fi
  printf 'sveltekit=%s\n' "$built"
}

# --- Django, on gunicorn --------------------------------------------------------------------------------

django() {
  local packages built python="${PYTHON:-python3}"
  command -v "$python" >/dev/null || fail "Python is missing: install version 3.11 or later, then run this again"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$("$python" --version) is too old: install version 3.11 or later"
  packages="$CACHE/django-packages-$({ cat django/requirements.txt; "$python" --version; uname -sm; } | key)"
  if [ ! -d "$packages" ]; then
    say "installing Django (once, about half a minute)"
    rm -rf "$packages.part"
    "$python" -m venv "$packages.part" >&2 || fail "Python lacks its module venv: install it (apt install python3-venv)"
    # Its programs name the folder in which they were installed, so Python is always asked for modules.
    "$packages.part/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r django/requirements.txt >&2
    mv "$packages.part" "$packages"
  fi
  built="$CACHE/django-$({ sources django; printf '%s' "$packages"; } | key)"
  if [ ! -d "$built" ]; then
    say "preparing the Django site"
    rm -rf "$built.part"
    mkdir -p "$built.part"
    cp -R django/. "$built.part/"
    # A link to Python would not know its packages.
    printf '#!/bin/sh\nexec "%s/bin/python" "$@"\n' "$packages" > "$built.part/python"
    chmod +x "$built.part/python"
    (
      cd "$built.part"
      export DATABASE=template.sqlite3 STATIC_ROOT=static DJANGO_SUPERUSER_PASSWORD=secret
      ./python manage.py migrate --verbosity 0 >&2
      ./python manage.py createsuperuser --noinput --verbosity 0 --username ana --email ana@example.com >&2
      ./python manage.py collectstatic --noinput --verbosity 0 >&2
    )
    mv "$built.part" "$built"
  fi
  printf 'django=%s\n' "$built"
}

# --- Next.js, on its own server -------------------------------------------------------------------------

next() {
  local packages built
  packages="$(npm_packages next)"
  built="$CACHE/next-$({ sources next; printf '%s' "$packages"; } | key)"
  if [ ! -d "$built" ]; then
    say "building the Next.js site"
    rm -rf "$built.part"
    cp -R next "$built.part"
    ln -s "$packages/node_modules" "$built.part/node_modules"
    (cd "$built.part" && NEXT_TELEMETRY_DISABLED=1 npx next build >&2)
    rm -rf "$built.part/.next/cache"
    mv "$built.part" "$built"
  fi
  printf 'next=%s\n' "$built"
}

sveltekit
django
next
