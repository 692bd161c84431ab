#!/bin/sh
# Debian's Chromium and its headless shell, CJK fonts and zbar for the browser tests. Says plainly what cannot be installed; never fails a build.
missing=""
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
fc-list 2>/dev/null | grep -qi cjk || missing="$missing fonts-noto-cjk"
ldconfig -p 2>/dev/null | grep -q libzbar || missing="$missing libzbar0"
ldconfig -p 2>/dev/null | grep -q 'libcrypto.so.3' || missing="$missing libssl3"
command -v spin >/dev/null 2>&1 || missing="$missing spin"
command -v gcc >/dev/null 2>&1 || missing="$missing gcc"
# the same engine without windows, ten times lighter for each test: taken where the distribution has it, done without elsewhere
shell=""
command -v chromium-headless-shell >/dev/null 2>&1 || shell="chromium-headless-shell"
[ -z "$missing$shell" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq >/dev/null 2>&1
  [ -z "$shell" ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$shell" >/dev/null 2>&1 || true
  [ -z "$missing" ] && exit 0
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null 2>&1 && exit 0
fi
[ -z "$missing" ] && exit 0
echo "Not installed and not installable here:$missing. Browser tests that need them will be skipped and named."
exit 0
