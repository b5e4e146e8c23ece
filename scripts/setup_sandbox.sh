#!/usr/bin/env bash
# A machine with neither a Docker engine nor bubblewrap gets bubblewrap, where root may install it.
set -u
command -v bwrap >/dev/null && exit 0
docker info >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "setup: installing bubblewrap"
  log=$(mktemp)
  if { apt-get install -y bubblewrap || { apt-get update && apt-get install -y bubblewrap; }; } >"$log" 2>&1; then
    rm -f "$log"
    exit 0
  fi
  tail -3 "$log" >&2
  rm -f "$log"
fi
echo "setup: no sandbox here yet; run: sudo apt-get install bubblewrap (or start Docker)"
