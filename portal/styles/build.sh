#!/usr/bin/env bash
# Builds portal/static/portal.css out of portal.scss, Bootstrap's Sass and the templates.
#
#   build.sh           writes it
#   build.sh --check   builds into a scratch folder and fails if what is checked in is something else
#
# The result is checked in: only who changes a style, or a class in a template, needs this, with node and npm. Every
# version and digest stands in package-lock.json, so the same input gives the same octets on any machine.
set -euo pipefail
export LC_ALL=C

HERE=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd -P)
PORTAL=$(dirname "$HERE")
readonly HERE PORTAL TARGET=$PORTAL/static/portal.css
# The sheet's part of the first page, which is at most 40 KiB with everything that it loads.
readonly SHEET_OCTETS_MAX=$((14 * 1024))

fail() {
    printf 'styles: %s\n' "$*" >&2
    exit 1
}

main() {
    local made size
    have_node
    SCRATCH=$(mktemp -d)
    trap 'rm -rf "$SCRATCH"' EXIT
    made=$SCRATCH/portal.css
    fetch
    compile >"$SCRATCH/whole.css"
    keep_what_is_used "$SCRATCH/whole.css" >"$made"
    size=$(stat -c %s "$made")
    ((size > 0)) || fail "Nothing is left of the sheet: the templates were not found."
    ((size <= SHEET_OCTETS_MAX)) || fail "The sheet has $size octets, at most $SHEET_OCTETS_MAX are allowed: import less."
    case ${1:-} in
        '')
            cp "$made" "$TARGET"
            printf 'styles: portal.css has %d octets, %d compressed.\n' "$size" "$(gzip -9n <"$TARGET" | wc -c)"
            ;;
        --check)
            cmp -s "$made" "$TARGET" ||
                fail "portal/static/portal.css is not what portal.scss and the templates say: run portal/styles/build.sh and commit the difference."
            ;;
        *) fail "build.sh does not know $1: it takes --check or nothing." ;;
    esac
}

have_node() {
    command -v npm >/dev/null || fail "npm is not installed; it comes with Node.js."
}

# What package-lock.json names, from the registry that npm is set to use. Nothing of it runs at installation.
fetch() {
    cp "$HERE"/{package.json,package-lock.json,portal.scss,used.mjs} "$SCRATCH"
    (cd "$SCRATCH" && npm ci --ignore-scripts --omit=optional --omit=peer --no-audit --no-fund --loglevel=error >"$SCRATCH/npm.log" 2>&1) ||
        fail "npm could not install what package-lock.json names: $(tail -n 3 "$SCRATCH/npm.log")"
}

# Bootstrap 5 is written with @import, of which Sass warns; that is Bootstrap's to change.
compile() {
    (cd "$SCRATCH" && node_modules/.bin/sass --style=compressed --no-charset --no-source-map --quiet-deps \
        --silence-deprecation=import --load-path=node_modules portal.scss)
}

keep_what_is_used() { # SHEET
    (cd "$SCRATCH" && node used.mjs "$1" "$PORTAL"/templates/layout.html "$PORTAL"/templates/customer/*.html)
}

main "$@"
