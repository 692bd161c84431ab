#!/bin/sh
# Programs that others wrote and that judge ours. For tests/conformance/oidc: npm packages into .build/judges (never into the tree), and Debian's
# Apache with mod_auth_openidc. For tests/conformance/documents: Debian's poppler-utils and libarchive-tools, and easyofd in an environment of its own, .build/easyofd
# (it draws with PyMuPDF, whose licence keeps it out of ours). Says plainly what cannot be installed; never fails a build: the tests then skip and name it.
set -u
cd "$(dirname "$0")/.." || exit 0
here=tests/conformance/oidc/judges
there=.build/judges
missing=""
command -v npm >/dev/null 2>&1 || missing="$missing nodejs npm"
[ -x /usr/sbin/apache2 ] || missing="$missing apache2"
[ -f /usr/lib/apache2/modules/mod_auth_openidc.so ] || missing="$missing libapache2-mod-auth-openidc"
command -v pdfsig >/dev/null 2>&1 || missing="$missing poppler-utils"
command -v bsdtar >/dev/null 2>&1 || missing="$missing libarchive-tools"
command -v softhsm2-util >/dev/null 2>&1 || missing="$missing softhsm2"
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq >/dev/null 2>&1
  # Apache is run by the tests themselves on a port of their own; the system's service stays off
  had=$(test -e /etc/apache2 && echo yes)
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1
  if [ -z "$had" ] && command -v systemctl >/dev/null 2>&1; then systemctl disable --now apache2 >/dev/null 2>&1; fi
fi
for one in npm /usr/sbin/apache2 softhsm2-util pdfsig bsdtar; do
  command -v "$one" >/dev/null 2>&1 || echo "Not installed and not installable here: $one. Tests with it will be skipped and named."
done
uv=$(command -v uv || echo .venv/bin/uv)
if [ ! -x .build/easyofd/bin/python ] || ! .build/easyofd/bin/python -c "import importlib.util as u; exit(u.find_spec('easyofd') is None)" 2>/dev/null; then
  mkdir -p .build
  python=$( [ -x .venv/bin/python ] && echo .venv/bin/python || echo python3 )
  if ! { "$uv" venv -q --python "$python" .build/easyofd && "$uv" pip install -q --python .build/easyofd/bin/python easyofd==20260427; } >/dev/null 2>&1; then
    "$python" -m venv .build/easyofd >/dev/null 2>&1 && .build/easyofd/bin/python -m pip install -q easyofd==20260427 >/dev/null 2>&1 \
      || echo "easyofd could not be installed: the test with it will be skipped and named."
  fi
fi
command -v npm >/dev/null 2>&1 || exit 0
if ! cmp -s "$here/package-lock.json" "$there/.installed"; then
  mkdir -p "$there"
  cp "$here/package.json" "$here/package-lock.json" "$there/"
  if (cd "$there" && npm ci --ignore-scripts --no-audit --no-fund --silent >/dev/null 2>&1); then
    cp "$here/package-lock.json" "$there/.installed"
  else
    echo "The npm judges could not be installed: tests with them will be skipped and named."
  fi
fi
exit 0
