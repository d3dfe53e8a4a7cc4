# shellcheck shell=bash
# Children: processes that are started, watched, stopped in order, and never outlive the launcher.
#
# Each child runs in a session of its own, so that Ctrl-C in the terminal reaches only the launcher,
# which then stops programs first, Redis next, PostgreSQL last. The kernel sends a child its stop signal
# should the launcher vanish (setpriv --pdeathsig), so that even kill -9 leaves nothing behind. A child
# writes straight into its own file under log/, never into a pipe that could break; in the foreground
# these files are followed, each line under its program's name.
#
# A child that ends before all is ready ends the launcher. One that ends later is said and started again,
# as a service manager would; only one that keeps ending stops everything.

# How long a child may take to end before it is killed, seconds. PostgreSQL writes a checkpoint first.
readonly STOP_PROGRAM=20 STOP_SERVER=60
# A child that ends more often than so many times within so many seconds is not started again. The pause
# lets a killed PostgreSQL's own children end first.
readonly REVIVE_TIMES=5 REVIVE_WITHIN=60 REVIVE_PAUSE=1

CHILDREN=()
declare -A CHILD_PID=() CHILD_SIGNAL=() CHILD_USER=() CHILD_COMMAND=() CHILD_DEATHS=()
FOLLOW=''
FOLLOWERS=()
LOCK_FD=''
TIED_PID=''
TIED_HEARS_US=''
TICKER=''
REMOVE_AT_END=()

# Starts a child; SIGNAL asks it to stop. An empty USER means ours.
start_child() { # NAME SIGNAL USER COMMAND...
    local name=$1
    CHILDREN+=("$name")
    CHILD_SIGNAL[$name]=$2
    CHILD_USER[$name]=$3
    shift 3
    CHILD_COMMAND[$name]=$(printf '%q ' "$@")
    [[ ! -e $LOG/$name.log ]] || mv "$LOG/$name.log" "$LOG/$name.log.1"
    : >"$LOG/$name.log"
    spawn_child "$name"
    [[ -z $FOLLOW ]] || follow "$name" +1
}

spawn_child() { # NAME
    local name=$1 user=${CHILD_USER[$1]} as=() command
    eval "command=(${CHILD_COMMAND[$name]})"
    [[ -z $user ]] || as=(--reuid "$user" --regid "$(id -g "$user")" --init-groups)
    (
        release_lock
        [[ -z $user ]] || cd /
        exec setsid setpriv "${as[@]}" --pdeathsig "${CHILD_SIGNAL[$name]}" -- "${command[@]}"
    ) </dev/null >>"$LOG/$name.log" 2>&1 &
    CHILD_PID[$name]=$!
    printf '%s %d %s\n' "$name" "$!" "$(started_at "$!")" >>"$RUN/children"
}

# Starts a child again that has ended, unless it keeps ending.
revive_child() { # NAME
    local name=$1 status=0 death recent=()
    # Bash's own words about a killed job are for nobody.
    { wait "${CHILD_PID[$name]}" || status=$?; } 2>/dev/null
    for death in ${CHILD_DEATHS[$name]:-} "$SECONDS"; do
        ((death <= SECONDS - REVIVE_WITHIN)) || recent+=("$death")
    done
    CHILD_DEATHS[$name]=${recent[*]}
    ! tells_full_disk "$LOG/$name.log" || give_up "$name" "$name ended unexpectedly (exit status $status)"
    ((${#recent[@]} <= REVIVE_TIMES)) || give_up "$name" "$name ended ${#recent[@]} times within $REVIVE_WITHIN seconds (exit status $status)"
    say "$name ended unexpectedly (exit status $status) and is started again; its last line: $(last_line "$LOG/$name.log")"
    sleep "$REVIVE_PAUSE"
    spawn_child "$name"
    [[ -z $FOLLOW ]] || follow "$name" 0
}

# Shows a child's lines as they come, until it has ended: its last words too, so Ctrl-C is not for us.
follow() { # NAME FROM-LINE
    (
        trap '' INT
        release_lock
        exec setpriv --pdeathsig TERM tail --pid="${CHILD_PID[$1]}" -s 0.2 -n "$2" -f "$LOG/$1.log" 2>/dev/null
    ) | (
        trap '' INT
        release_lock
        exec stdbuf -oL sed "s/^/$(printf '%-10s' "$1") | /"
    ) &
    FOLLOWERS+=("$!")
}

alive() { # NAME
    kill -0 "${CHILD_PID[$1]}" 2>/dev/null
}

# Waits until COMMAND succeeds, the child ends, or the time is over.
await() { # NAME SECONDS WHAT COMMAND...
    local name=$1 limit=$2 what=$3 deadline=$((SECONDS + $2))
    shift 3
    until "$@" >/dev/null 2>&1; do
        alive "$name" || child_ended "$name"
        ((SECONDS < deadline)) || give_up "$name" "$name did not $what within $limit seconds"
        sleep 0.1
    done
}

child_ended() { # NAME
    local status=0
    wait "${CHILD_PID[$1]}" || status=$?
    give_up "$1" "$1 ended unexpectedly (exit status $status)"
}

# Shows a child's last words and ends.
give_up() { # NAME SENTENCE
    SPOKEN=yes
    {
        if tells_full_disk "$LOG/$1.log"; then
            printf 'mlango: %s because the disk is full: make room and try again. Its last lines:\n' "$2"
        else
            printf 'mlango: %s; its last lines (all of them are in %s):\n' "$2" "${LOG#"$ROOT"/}/$1.log"
        fi
        tail -n 12 "$LOG/$1.log" | sed 's/^/    /'
    } >&2
    exit 1
}

# Watches until a signal comes or a child cannot be kept alive.
watch_children() {
    local name
    while :; do
        for name in "${CHILDREN[@]}"; do alive "$name" || revive_child "$name"; done
        (
            release_lock
            exec setpriv --pdeathsig KILL sleep 5
        ) &
        TICKER=$!
        wait -n "$TICKER" "${CHILD_PID[@]}" 2>/dev/null || true
        end_ticker
    done
}

# A signal may have ended the watch in the middle of its pause.
end_ticker() {
    [[ -n $TICKER ]] || return 0
    # Bash says nothing about a job that ended by SIGPIPE.
    kill -PIPE "$TICKER" 2>/dev/null || true
    gone "$TICKER" 1
    TICKER=''
}

# Programs together, then the servers they use, the last started first.
stop_children() {
    local name index programs=() servers=()
    ((${#CHILDREN[@]} > 0)) || return 0
    for ((index = ${#CHILDREN[@]} - 1; index >= 0; index--)); do
        name=${CHILDREN[index]}
        case $name in
            redis | postgresql) servers+=("$name") ;;
            *) programs+=("$name") ;;
        esac
    done
    for name in "${programs[@]}"; do kill -s "${CHILD_SIGNAL[$name]}" "${CHILD_PID[$name]}" 2>/dev/null; done
    for name in "${programs[@]}"; do end_child "$name" "$STOP_PROGRAM"; done
    for name in "${servers[@]}"; do
        kill -s "${CHILD_SIGNAL[$name]}" "${CHILD_PID[$name]}" 2>/dev/null
        end_child "$name" "$STOP_SERVER"
    done
    for index in "${FOLLOWERS[@]}"; do gone "$index" 2; done
    CHILDREN=()
    rm -f "$RUN/children"
}

end_child() { # NAME SECONDS
    gone "${CHILD_PID[$1]}" "$2" && return
    say "$1 did not stop within $2 seconds and was killed."
    kill -KILL "${CHILD_PID[$1]}"
    gone "${CHILD_PID[$1]}" 5
}

# Runs a command that ends with us, and that we end; Ctrl-C reaches it as it would in the foreground.
run_tied() {
    local status=0
    (
        release_lock
        exec env --default-signal=INT,QUIT setpriv --pdeathsig TERM -- "$@"
    ) <&0 &
    TIED_PID=$!
    TIED_HEARS_US=yes
    wait "$TIED_PID" || status=$?
    TIED_PID=''
    return "$status"
}

# After Ctrl-C a test runner is already ending its tests; being told again would make it kill them.
end_tied() { # STATUS
    [[ -n $TIED_PID ]] || return 0
    if (($1 != 130)) || [[ -z $TIED_HEARS_US ]] || ! gone "$TIED_PID" "$STOP_PROGRAM"; then
        kill -TERM "$TIED_PID" 2>/dev/null
        gone "$TIED_PID" $((STOP_PROGRAM + 2 * STOP_SERVER)) || kill -KILL "$TIED_PID"
    fi
    TIED_PID=''
}

# Waits until a process has ended; false when it has not within SECONDS. While ending we only look: bash's
# own `wait` has been seen to hang there, for a child that ended while a trap ran.
gone() { # PID SECONDS
    local deadline=$((SECONDS + $2))
    while kill -0 "$1" 2>/dev/null; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# The lock says whether a launcher runs here; the kernel lets go of it whatever happens to us.
take_lock() {
    exec {LOCK_FD}>>"$RUN/lock"
    flock -n "$LOCK_FD"
}

release_lock() {
    [[ -z $LOCK_FD ]] || exec {LOCK_FD}>&-
}

locked() {
    ! flock -n "$RUN/lock" true
}

# When a process was started, in clock ticks since boot: with its id, a name that is never used again.
# Nothing for a process that has ended.
started_at() { # PID
    sed -n 's/^.*) //p' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" { print $20 }'
}

same_process() { # PID STARTED
    [[ -n $2 && $(started_at "$1") == "$2" ]]
}

# Children of a launcher that vanished have been told to stop by the kernel; waits for them, and ends
# those that do not listen.
clear_leftovers() {
    local name pid started deadline
    [[ -e $RUN/children ]] || return 0
    while read -r name pid started; do
        deadline=$((SECONDS + STOP_PROGRAM))
        while same_process "$pid" "$started" && ((SECONDS < deadline)); do sleep 0.1; done
        if same_process "$pid" "$started"; then
            say "$name (process $pid) was left over and is stopped now."
            kill -KILL "$pid" || fail "$name (process $pid) was left over and cannot be stopped: it belongs to $(stat -c %U "/proc/$pid")."
        fi
    done <"$RUN/children"
    rm -f "$RUN/children"
}
