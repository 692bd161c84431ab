#!/bin/sh
# Clients and a provider that others wrote, for tests/conformance/oidc: npm packages into .build/judges (never into the tree), and Debian's
# Apache with mod_auth_openidc. Says plainly what cannot be installed; never fails a build: the tests then skip and name it.
set -u
cd "$(dirname "$0")/.." || exit 0
here=tests/conformance/oidc/judges
there=.build/judges
missing=""
command -v npm >/dev/null 2>&1 || missing="$missing nodejs npm"
[ -x /usr/sbin/apache2 ] || missing="$missing apache2"
[ -f /usr/lib/apache2/modules/mod_auth_openidc.so ] || missing="$missing libapache2-mod-auth-openidc"
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq >/dev/null 2>&1
  # Apache is run by the tests themselves on a port of their own; the system's service stays off
  had=$(test -e /etc/apache2 && echo yes)
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1
  if [ -z "$had" ] && command -v systemctl >/dev/null 2>&1; then systemctl disable --now apache2 >/dev/null 2>&1; fi
fi
for one in npm /usr/sbin/apache2; do
  command -v "$one" >/dev/null 2>&1 || echo "Not installed and not installable here: $one. Tests with it will be skipped and named."
done
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
