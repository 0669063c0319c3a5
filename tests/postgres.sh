#!/usr/bin/env bash
# Runs a command with a PostgreSQL server of its own, which keeps nothing:
#   tests/postgres.sh cargo test --lib store::
# The server listens on a Unix socket alone; SIGNL4_TEST_POSTGRES has its URL. Needs Debian's package `postgresql` (or `initdb` and
# `postgres` in PATH). With `--durable DIR` before the command, the server keeps its files in a new directory below DIR and syncs
# them, as it does in production. To the command, the server's programs are in PATH.
set -euo pipefail

durable=
if [ "$1" = --durable ]; then
  durable=$(realpath "$2")
  shift 2
fi
initdb=$(command -v initdb || find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
bin=$(dirname "$(readlink --canonicalize "${initdb:?the programs of PostgreSQL are missing}")")
# Short: the path of a socket has at most 107 bytes.
dir=$(mktemp -d /tmp/signl4-pg.XXXXXX)
data=$dir/data
# Durability is not what is tested.
settings='-c fsync=off -c full_page_writes=off'
if [ -n "$durable" ]; then
  data=$(mktemp -d "$durable/postgres.XXXXXX")
  settings=
fi
as() { "$@"; }
if [ "$(id -u)" = 0 ]; then
  # PostgreSQL refuses to run as root.
  chown postgres "$dir"
  if [ -n "$durable" ]; then chown postgres "$data"; fi
  as() { setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"; }
fi
stop() {
  as "$bin/pg_ctl" --pgdata="$data" --mode=immediate --silent stop || true
  rm -rf "$dir" "$data"
}
trap stop EXIT

cd "$dir"
as "$bin/initdb" --pgdata="$data" --username=test --auth=trust --no-sync >"$dir/initdb.log"
as "$bin/pg_ctl" --pgdata="$data" --log="$data/log" --silent --wait --options="-c listen_addresses='' \
  -c unix_socket_directories='$dir' -c max_connections=300 $settings" start
cd "$OLDPWD"

export SIGNL4_TEST_POSTGRES="postgres:///postgres?host=$dir&user=test"
# For tests that stop, reconfigure or fill a server of their own.
export SIGNL4_TEST_POSTGRES_BIN="$bin"
export PATH="$bin:$PATH"
status=0
"$@" || status=$?
if [ "$status" != 0 ]; then tail -n 30 "$data/log" >&2; fi
exit "$status"
