#!/bin/bash
# What a new database cluster gets: the programs' role, which owns their database and nothing else, and one that may only look at
# statistics. PostgreSQL's image runs it once, before anything can connect.
set -euo pipefail
psql --no-psqlrc --username "$POSTGRES_USER" --dbname postgres --set ON_ERROR_STOP=1 \
    --set owner="$(</run/secrets/mlango_password)" --set monitor="$(</run/secrets/monitor_password)" <<'SQL'
CREATE ROLE mlango LOGIN PASSWORD :'owner';
CREATE DATABASE mlango OWNER mlango;
CREATE ROLE monitor LOGIN PASSWORD :'monitor' IN ROLE pg_monitor;
SQL
