#!/usr/bin/env bash
# Runs a PostgreSQL from Debian's packages in a new directory, as an ordinary user, and prints the directory of its Unix socket,
# which is its only listener. The lines "stop" (at once, as in a crash), "start" and "promote" of its input are answered with "done". It
# stops, and removes the directory, when its input ends.
#   scripts/run-postgres.sh                        for tests: nothing survives a crash of the machine
#   scripts/run-postgres.sh -c fsync=on            with further options of the server
#   scripts/run-postgres.sh --standby-of DIRECTORY an asynchronous standby of the server that printed that directory
#   scripts/run-postgres.sh --pooler …             PgBouncer in transaction mode too, in the directory's `pooler`
set -euo pipefail

# initdb refuses to run as root. The other user may not be allowed to read this file.
if ((EUID == 0)); then exec runuser -u postgres -- bash -c "$(cat "$0")" "$0" "$@"; fi

primary=
if [[ ${1:-} == --standby-of ]]; then primary=$2; shift 2; fi
pooler=0
if [[ ${1:-} == --pooler ]]; then pooler=1; shift; fi
programs=${POLLUX_POSTGRES_BIN:-$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)}
[[ -w ${TMPDIR:-/tmp} ]] || unset TMPDIR
place=$(mktemp -d "${TMPDIR:-/tmp}/pollux-postgres.XXXXXX")
# So that other users reach the socket.
chmod 711 "$place"
cd "$place"
# PgBouncer is a program for administrators.
PATH=$PATH:/usr/sbin
pooler_process=
stop() {
  # It has no state, and SIGTERM does not always end it.
  [[ -z $pooler_process ]] || kill -KILL "$pooler_process" 2>/dev/null || true
  "$programs/pg_ctl" -D "$place/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$place"
}
trap stop EXIT
trap 'exit 130' INT TERM

if [[ -n $primary ]]; then
  "$programs/pg_basebackup" -D data -h "$primary" -U pollux -R -X stream --checkpoint=fast --no-sync >initdb.log 2>&1 \
    || { cat initdb.log >&2; exit 1; }
else
  "$programs/initdb" -D data -A trust -U pollux --no-sync -E UTF8 --locale=C >initdb.log 2>&1 || { cat initdb.log >&2; exit 1; }
fi
# An address for tests of networks (RFC 2544). Without listen_addresses this changes nothing.
echo 'host all all 198.18.0.0/15 trust' >>data/pg_hba.conf
options=(-c "listen_addresses=" -c "unix_socket_directories=$place" -c fsync=off "$@")
start() {
  "$programs/pg_ctl" -D data -w -l server.log -o "${options[*]@Q}" start >start.log 2>&1 \
    || { cat start.log server.log >&2; exit 1; }
}
start

if ((pooler)); then
  mkdir pooler
  chmod 711 pooler
  cat >pooler.ini <<TEXT
[databases]
* = host=$place user=pollux
[pgbouncer]
listen_addr =
listen_port = 5432
unix_socket_dir = $place/pooler
auth_type = any
pool_mode = transaction
server_reset_query_always = 0
ignore_startup_parameters = extra_float_digits
TEXT
  pgbouncer pooler.ini >pooler.log 2>&1 &
  pooler_process=$!
  disown
fi

echo "$place"
# The end of the input is the end of who started it.
while read -r command; do
  case $command in
    stop) "$programs/pg_ctl" -D data -m immediate stop >/dev/null ;;
    start) start ;;
    promote) "$programs/pg_ctl" -D data -w promote >/dev/null ;;
    *) echo "unknown: $command" >&2; exit 2 ;;
  esac
  echo "done"
done
