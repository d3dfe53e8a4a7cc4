# shellcheck shell=bash
# FreeRADIUS as the bench's peer: a configuration of our own, tuned as far as we could find, and its data.
#
# Four shapes. files: all customers in a users file, 8 threads. lean: PostgreSQL for checks and replies only,
# 4 threads and connections. sql: as a hotspot is run on it, with a counter for time and one for data over a
# million ended sessions, a limit of devices, and a line for each login, 16 threads and connections; accounting
# goes to PostgreSQL before it is answered. detail: the same, but accounting is answered when it is in the
# buffered detail file, and a reader brings it from there to PostgreSQL. Groups, which none of ours uses, are
# off. The tables are those of its package, with two indexes that they lack. Its own queue for requests keeps
# the stock size; 128 is the best that was found under overload.

readonly PEER_LIBRARIES=/usr/lib/freeradius
readonly PEER_TABLES=/etc/freeradius/3.0/mods-config/sql/main/postgresql
readonly PEER_HISTORY=1000000 PEER_HISTORY_QUICK=100000 PEER_OPEN=5000

have_peer() {
    have freeradius && [[ -e $PEER_LIBRARIES/rlm_sql_postgresql.so && -r $PEER_TABLES/schema.sql ]]
}

peer_version() {
    if have_peer; then freeradius -v 2>/dev/null | sed -n '1s/.*Version \([^ ,]*\).*/\1/p'; else echo "not here"; fi
}

# Runs the peer in one shape and asks it.
bench_peer() { # files|lean|sql
    say "FreeRADIUS, $1."
    start_peer "$1" 65536 1048576
    # Before 3.2.5 it signs no answer; from then on each answer that is signed is checked.
    login_runs "freeradius-$1" "freeradius-$1" "$PEER_PORT" freeradius --accept-unsigned
    stop_child freeradius
}

# Without a BUFFER the socket keeps what the system gives: under overload a larger one only holds older requests.
start_peer() { # SHAPE QUEUE [BUFFER]
    write_peer_config "$@"
    start_child freeradius TERM '' "${SERVER_CORES[@]}" freeradius -f -l stdout -d "$BENCH_HOME/raddb" -n bench
    await freeradius 60 "become ready" grep -q "Ready to process requests" "$LOG/freeradius.log"
}

write_peer_config() { # SHAPE QUEUE [BUFFER]
    local raddb=$BENCH_HOME/raddb shape=$1 queue=$2 threads=8
    case $shape in
        lean) threads=4 ;;
        sql | detail) threads=16 ;;
    esac
    (umask 077 && mkdir -p "$raddb" "$BENCH_HOME/detail")
    peer_dictionary >"$raddb/dictionary"
    [[ $shape != files || -s $raddb/users ]] || peer_users >"$raddb/users"
    {
        peer_frame "$threads" "$queue"
        printf 'modules {\n    pap {\n    }\n    chap {\n    }\n    expr {\n    }\n'
        if [[ $shape == files ]]; then peer_files; else peer_sql "$threads" "$shape"; fi
        [[ $shape != detail ]] || peer_detail
        printf '}\n'
        peer_server "$shape" "${3:-}"
        [[ $shape != detail ]] || peer_reader
    } >"$raddb/bench.conf"
    chmod 600 "$raddb"/*
}

# Names that a counter needs, from the range that is kept for a site's own.
peer_dictionary() {
    cat <<'TEXT'
ATTRIBUTE Max-All-Session 3000 integer
ATTRIBUTE Max-All-Octets  3001 integer
TEXT
}

# Everything but modules and policy. max_requests bounds what cleanup_delay keeps for duplicates: the stock
# 16,384 would refuse requests at the rates of a users file.
peer_frame() { # THREADS QUEUE
    cat <<TEXT
libdir = $PEER_LIBRARIES
confdir = $BENCH_HOME/raddb
run_dir = $RUN
max_request_time = 30
cleanup_delay = 5
max_requests = 262144
hostname_lookups = no
proxy_requests = no
log {
    destination = stdout
    auth = no
}
security {
    max_attributes = 200
    reject_delay = 1
    status_server = yes
}
thread pool {
    start_servers = $1
    max_servers = $1
    min_spare_servers = $1
    max_spare_servers = $1
    max_queue_size = $2
    max_requests_per_server = 0
    auto_limit_acct = no
}
client bench {
    ipaddr = 127.0.0.1/32
    secret = $(<"$SECRETS/radius.secret")
    require_message_authenticator = yes
}
TEXT
}

peer_files() {
    cat <<'TEXT'
    files {
        filename = ${confdir}/users
    }
TEXT
}

peer_sql() { # CONNECTIONS SHAPE
    cat <<TEXT
    sql {
        dialect = "postgresql"
        driver = "rlm_sql_postgresql"
        radius_db = "host=$PG_SOCKETS port=5432 dbname=radius user=postgres"
        acct_table1 = "radacct"
        acct_table2 = "radacct"
        postauth_table = "radpostauth"
        authcheck_table = "radcheck"
        authreply_table = "radreply"
        groupcheck_table = "radgroupcheck"
        groupreply_table = "radgroupreply"
        usergroup_table = "radusergroup"
        client_table = "nas"
        group_attribute = "SQL-Group"
        read_groups = no
        read_clients = no
        delete_stale_sessions = no
        pool {
            start = $1
            min = $1
            max = $1
            spare = $1
            uses = 0
            lifetime = 0
            idle_timeout = 0
            retry_delay = 1
        }
        \$INCLUDE $PEER_TABLES/queries.conf
    }
TEXT
    [[ $2 != lean ]] || return 0
    cat <<'TEXT'
    sqlcounter time_used {
        sql_module_instance = sql
        dialect = postgresql
        counter_name = All-Session-Time
        check_name = Max-All-Session
        reply_name = Session-Timeout
        key = User-Name
        reset = never
        query = "SELECT COALESCE(SUM(AcctSessionTime), 0) FROM radacct WHERE UserName = '%{${key}}'"
    }
    sqlcounter data_used {
        sql_module_instance = sql
        dialect = postgresql
        counter_name = All-Octets
        check_name = Max-All-Octets
        reply_name = Mikrotik-Total-Limit
        key = User-Name
        reset = never
        query = "SELECT COALESCE(SUM(AcctInputOctets + AcctOutputOctets), 0) FROM radacct WHERE UserName = '%{${key}}'"
    }
TEXT
}

# Locked, as its documentation asks where a reader takes the file away. It is not flushed to the disk.
peer_detail() {
    cat <<TEXT
    detail {
        filename = "$BENCH_HOME/detail/detail"
        header = "%t"
        locking = yes
        permissions = 0600
    }
TEXT
}

# As fast as the reader can: one record after the other, each its own transaction.
peer_reader() {
    cat <<TEXT
server reader {
    listen {
        type = detail
        filename = "$BENCH_HOME/detail/detail"
        load_factor = 100
        poll_interval = 1
        retry_interval = 5
    }
    preacct {
$(peer_unique)
    }
    accounting {
        sql
    }
}
TEXT
}

# What a session is known by, made of what its own policy acct_unique takes where there is no Class of its own.
peer_unique() {
    cat <<'TEXT'
        update request {
            &Acct-Unique-Session-Id := "%{md5:%{User-Name},%{Acct-Session-Id},%{NAS-IP-Address},%{NAS-Identifier},%{NAS-Port-Id},%{NAS-Port}}"
        }
TEXT
}

peer_server() { # SHAPE BUFFER
    local find=sql more='' session='' after='' before='' record=''
    case $1 in
        files) find=files ;;
        sql | detail) more='time_used data_used' session=sql after=sql ;;
    esac
    case $1 in
        sql) before=$(peer_unique) record=sql ;;
        detail) record=detail ;;
    esac
    cat <<TEXT
server default {
    listen {
        type = auth
        ipaddr = 127.0.0.1
        port = $PEER_PORT
        ${2:+recv_buff = $2}
    }
    listen {
        type = acct
        ipaddr = 127.0.0.1
        port = $PEER_ACCT_PORT
        ${2:+recv_buff = $2}
    }
    preacct {
$before
    }
    accounting {
        $record
    }
    authorize {
        chap
        $find
$(printf '        %s\n' $more)
        pap
    }
    authenticate {
        Auth-Type PAP {
            pap
        }
        Auth-Type CHAP {
            chap
        }
    }
    session {
        $session
    }
    post-auth {
        $after
    }
}
TEXT
}

# The customers of `portal seed`, with the limits that a users file can hold.
peer_users() {
    seq -f %07.0f 1 "$BENCH_CUSTOMERS" | awk '{
        printf "user%s\tCleartext-Password := \"pw%s\"\n", $1, $1
        printf "\tSession-Timeout := 31536000, Mikrotik-Total-Limit := 2000000000, Mikrotik-Rate-Limit := \"5M/10M\",\n"
        printf "\tIdle-Timeout := 300, Acct-Interim-Interval := 60\n"
    }'
}

# Its tables with the same customers: four checks and three replies each, ten ended sessions each (one under
# --quick), some sessions open.
make_peer_database() {
    local history=$PEER_HISTORY
    [[ -z $BENCH_QUICK ]] || history=$PEER_HISTORY_QUICK
    say "Filling FreeRADIUS' tables: $BENCH_CUSTOMERS customers, $history ended sessions, $PEER_OPEN open ones."
    pg_sql postgres 'CREATE DATABASE radius'
    {
        cat "$PEER_TABLES/schema.sql"
        peer_rows "$history"
    } | "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 -h "$PG_SOCKETS" -p 5432 -U postgres -d radius >"$LOG/peer-tables.log" 2>&1 ||
        fail "FreeRADIUS' tables could not be filled: $(last_line "$LOG/peer-tables.log")"
}

peer_rows() { # HISTORY
    cat <<SQL
INSERT INTO radcheck (username, attribute, op, value)
SELECT 'user' || lpad(n::text, 7, '0'), c.attribute, ':=', coalesce(c.value, 'pw' || lpad(n::text, 7, '0'))
FROM generate_series(1, $BENCH_CUSTOMERS) n,
     (VALUES ('Cleartext-Password', NULL), ('Max-All-Session', '31536000'), ('Max-All-Octets', '2000000000'),
             ('Simultaneous-Use', '2')) c (attribute, value);
INSERT INTO radreply (username, attribute, op, value)
SELECT 'user' || lpad(n::text, 7, '0'), r.attribute, ':=', r.value
FROM generate_series(1, $BENCH_CUSTOMERS) n,
     (VALUES ('Mikrotik-Rate-Limit', '5M/10M'), ('Idle-Timeout', '300'), ('Acct-Interim-Interval', '60')) r (attribute, value);
INSERT INTO radacct (acctsessionid, acctuniqueid, username, nasipaddress, nasporttype, acctstarttime, acctupdatetime,
    acctstoptime, acctsessiontime, acctinputoctets, acctoutputoctets, calledstationid, callingstationid,
    acctterminatecause, framedipaddress)
SELECT to_hex(s), md5(s::text), 'user' || lpad((1 + s % $BENCH_CUSTOMERS)::text, 7, '0'), '127.0.0.1', 'Wireless-802.11',
    now() - s * interval '2 seconds', now() - s * interval '1 second', now() - s * interval '1 second', 600, 1000000,
    9000000, 'hotspot1', '02:00:00:00:00:00', 'User-Request', '10.0.0.1'
FROM generate_series(1, $1) s;
INSERT INTO radacct (acctsessionid, acctuniqueid, username, nasipaddress, nasporttype, acctstarttime, acctupdatetime,
    acctsessiontime, acctinputoctets, acctoutputoctets, calledstationid, callingstationid, framedipaddress)
SELECT 'o' || to_hex(s), md5('o' || s), 'user' || lpad(s::text, 7, '0'), '127.0.0.1', 'Wireless-802.11',
    now(), now(), 60, 1000, 9000, 'hotspot1', '02:00:00:00:00:00', '10.0.0.1'
FROM generate_series(1, $PEER_OPEN) s;
CREATE INDEX radacct_of_user ON radacct (username);
CREATE INDEX radacct_open_of_user ON radacct (username) WHERE acctstoptime IS NULL;
VACUUM ANALYZE;
SQL
}
