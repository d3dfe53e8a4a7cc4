# shellcheck shell=bash
# `bench forecast`: how good forecasts are on series of other people, beside saying "as last week", how long a thousand of
# them take, and how well buyers, outages and bursts are told.
#
# It needs neither servers nor data of its own: an example of the package forecast reads the series where they lie
# (MLANGO_SHARED, ../shared if that is not set) and prints the table. Whether a goal is met is for the reader to see: a
# missed one does not fail the bench, but series that are not there do.

bench_forecast() {
    local began which=()
    [[ ${1:-} != --earlier || $# -gt 1 ]] || { which=(earlier) && shift; }
    (($# == 0)) || fail "bench forecast does not know $1; see ./mlango help."
    require_cargo
    say "Building in release."
    cargo build --release --quiet -p forecast --examples
    say "Goals on the ${which[0]:-last} origins of each series."
    forecast_goals "${which[@]}" || fail "The forecasts could not be measured: the reason stands above."
    say "A thousand forecasts; the goal is 30 seconds on two cores."
    began=$(date +%s%3N)
    forecast_goals thousand
    say "They took $(seconds_since "$began") seconds."
    export_cdnow
    say "Who buys again, outages and bursts."
    cargo run --release --quiet -p forecast --example findings -- "${which[@]}" || fail "The findings could not be measured: the reason stands above."
}

forecast_goals() {
    cargo run --release --quiet -p forecast --example goals -- "$@"
}
