#!/bin/sh
# Writes the database's address and its users to files, then becomes pgbouncer. Session timeouts, which web and worker set
# themselves when they talk to PostgreSQL directly, are set when each server connection is opened.
set -eu
umask 077
password=$(printf %s "$POSTGRES_PASSWORD" | sed 's/"/""/g')
printf '"%s" "%s"\n' "$POSTGRES_USER" "$password" >"${RUN_FOLDER:=/tmp}/pgbouncer-users.txt"
cat >"$RUN_FOLDER/pgbouncer-databases.ini" <<END
[databases]
$POSTGRES_DB = host=$POSTGRES_HOST port=${POSTGRES_PORT:-5432} connect_query='SET lock_timeout = 5000; SET statement_timeout = 30000; SET idle_in_transaction_session_timeout = 30000'
END
exec pgbouncer "${1:-/etc/pgbouncer/pgbouncer.ini}"
