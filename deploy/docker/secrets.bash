#!/usr/bin/env bash
# Makes what docker-compose.yml needs and cannot be in a repository, in deploy/secrets: keys, passwords, and a first certificate for
# nginx. What is there already stays as it is. As root, since containers read the files as users of their own.
#
# The folder keeps everybody else out; the files in it can be read, since Docker shows them to containers as they are. Only
# PGPASSFILE must belong to its reader alone, or it is passed over.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../secrets"
((EUID == 0)) || { printf 'Run it as root: containers read these files as users of their own.\n' >&2 && exit 1; }
umask 022
chmod 700 .

# The users of the programs and of PostgreSQL in their images (deploy/docker).
readonly PROGRAM=10001 POSTGRES=999

make_secret() { # FILE OCTETS
    [[ -s $1 ]] || openssl rand -hex "$2" >"$1"
}

make_secret seal.key 32
make_secret postgres.password 24
make_secret mlango.password 24
make_secret monitor.password 24
make_secret grafana.password 24
# Yours, if the mail server wants one.
[[ -e smtp.password ]] || : >smtp.password

printf 'postgres:5432:*:mlango:%s\n' "$(<mlango.password)" >pgpass
chown "$PROGRAM" pgpass
chmod 400 pgpass

# Where backups go, and, once backups are set up, the pass phrase that opens them.
if [[ ! -e pgbackrest/pgbackrest.conf ]]; then
    mkdir -p pgbackrest/conf.d
    sed 's|^pg1-path=.*|pg1-path=/var/lib/postgresql/data|' ../backup/pgbackrest.conf >pgbackrest/pgbackrest.conf
fi
chown -R "$POSTGRES:$POSTGRES" pgbackrest
chmod 700 pgbackrest pgbackrest/conf.d

mkdir -p tls acme
if [[ ! -e tls/fullchain.pem ]]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 -subj "/CN=mlango" \
        -keyout tls/privkey.pem -out tls/fullchain.pem 2>/dev/null
    chmod 644 tls/privkey.pem
    printf 'tls/fullchain.pem is signed by itself: put a real one in its place before guests come.\n'
fi
printf 'Keep a copy of seal.key apart from the backups: without it the secrets in the database cannot be read.\n'
