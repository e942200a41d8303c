#!/bin/sh
# Starts PostgreSQL and Redis for a server run of the laboratory, and stops them.
#
#   servers.sh COMMAND..    runs the command with --redis and --postgres appended, and stops both when it ends
#   servers.sh              prints the two options, and stops both when it is interrupted
#
# Both come from Debian's packages (postgresql, redis-server), listen on free loopback ports only, and keep their files in
# a temporary directory below TMPDIR that is removed at the end. PostgreSQL syncs every commit and trusts local users;
# Redis keeps nothing on disk, as a cache does, and is bounded by maxmemory; the laboratory sets that for each run, and has
# the cache that is kept in a file written and read again, for which DEBUG is allowed from here.
set -eu

die() {
    echo "servers.sh: $*" >&2
    exit 1
}

postgres_bin() {
    command -v initdb >/dev/null && { dirname "$(command -v initdb)"; return; }
    for directory in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V -r); do
        [ -x "$directory/initdb" ] && { echo "$directory"; return; }
    done
    die "PostgreSQL is not installed; on Debian: apt-get install postgresql redis-server"
}

# PostgreSQL refuses to run as root; then it runs as the user that its package made.
as_postgres() {
    if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

# A port that nobody listens on now. Somebody may take it before the server does; then starting fails and says so.
free_port() {
    port=$1
    while ss -Hltn "sport = :$port" | grep -q .; do port=$((port + 1)); done
    echo "$port"
}

bin=$(postgres_bin)
command -v redis-server >/dev/null || die "Redis is not installed; on Debian: apt-get install redis-server"
command -v ss >/dev/null || die "ss is not installed; on Debian: apt-get install iproute2"

directory=$(mktemp -d "${TMPDIR:-/tmp}/monostable-lab-servers.XXXXXX")
chmod 755 "$directory"
mkdir "$directory/postgres"
[ "$(id -u)" = 0 ] && chown postgres "$directory/postgres"
redis_process=

stop() {
    trap - EXIT INT TERM
    [ -n "$redis_process" ] && kill "$redis_process" 2>/dev/null && wait "$redis_process" 2>/dev/null
    [ -f "$directory/postgres/data/postmaster.pid" ] &&
        as_postgres "$bin/pg_ctl" -D "$directory/postgres/data" -m fast -w stop >/dev/null
    rm -rf "$directory"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cd "$directory"
as_postgres "$bin/initdb" -D "$directory/postgres/data" -U lab -A trust --no-sync >"$directory/initdb.log" 2>&1 ||
    die "initdb failed: $(tail -n 3 "$directory/initdb.log")"
postgres_port=$(free_port 54320)
as_postgres "$bin/pg_ctl" -D "$directory/postgres/data" -w -l "$directory/postgres/log" -o "-p $postgres_port \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=on -c synchronous_commit=on \
    -c full_page_writes=on -c shared_buffers=256MB -c max_wal_size=4GB -c max_parallel_workers_per_gather=0 \
    -c jit=off" start >/dev/null || die "PostgreSQL did not start: $(tail -n 3 "$directory/postgres/log")"

redis_port=$(free_port 63790)
# Since version 7 a server is told whether it allows DEBUG; before, it always does.
case $(redis-server --version) in
    *v=[1-6].*) debug= ;;
    *) debug='--enable-debug-command local' ;;
esac
# shellcheck disable=SC2086 # two words, or none
redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly no --maxmemory 256mb $debug \
    --maxmemory-policy allkeys-lru --dir "$directory" --daemonize no >"$directory/redis.log" 2>&1 &
redis_process=$!
tries=50
until redis-cli -p "$redis_port" ping >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || die "Redis did not start: $(tail -n 3 "$directory/redis.log")"
    sleep 0.1
done

redis="127.0.0.1:$redis_port"
postgres="host=127.0.0.1 port=$postgres_port user=lab dbname=postgres"
if [ "$#" -gt 0 ]; then
    cd "$OLDPWD"
    "$@" --redis "$redis" --postgres "$postgres"
else
    echo "--redis '$redis' --postgres '$postgres'"
    while :; do sleep 3600 & wait $!; done
fi
