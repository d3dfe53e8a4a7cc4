#!/usr/bin/env bash
# Fetches portal/static/plotly.js: what draws the desk's charts.
#
#   build.sh           fetches it and writes it
#   build.sh --check   fetches it and fails if what is checked in is something else
#
# It is the cartesian bundle as its makers publish it (bars, lines, heat maps, parts of a whole), not changed by an octet. Only who
# takes a newer version needs this, with npm: the version and its digest stand below.
set -euo pipefail
export LC_ALL=C

HERE=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd -P)
readonly HERE TARGET=$HERE/../static/plotly.js
readonly PACKAGE=plotly.js-cartesian-dist-min VERSION=4.1.1 FILE=package/plotly-cartesian.min.js
# As `npm view plotly.js-cartesian-dist-min@4.1.1 dist.integrity` says it.
readonly INTEGRITY='o8GrFeusncwBIxbBynRJpY4pkgVB6caM+JLpwrLYbbsO7dZ8FJ+SVN2Fr+L7kiG/Z6w4P5O0Jus/Qr5EefHVeg=='

fail() {
    printf 'charts: %s\n' "$*" >&2
    exit 1
}

main() {
    local archive
    command -v npm >/dev/null || fail "npm is not installed; it comes with Node.js."
    SCRATCH=$(mktemp -d)
    trap 'rm -rf "$SCRATCH"' EXIT
    archive=$SCRATCH/$PACKAGE-$VERSION.tgz
    (cd "$SCRATCH" && npm pack "$PACKAGE@$VERSION" --silent --ignore-scripts >/dev/null) || fail "npm could not fetch $PACKAGE $VERSION."
    [[ $(openssl dgst -sha512 -binary "$archive" | base64 -w0) == "$INTEGRITY" ]] || fail "What npm fetched is not $PACKAGE $VERSION as it was looked at."
    tar -xzf "$archive" -C "$SCRATCH"
    case ${1:-} in
        '')
            cp "$SCRATCH/$FILE" "$TARGET"
            cp "$SCRATCH/package/LICENSE" "$HERE/LICENSE-plotly"
            printf 'charts: plotly.js has %d octets, %d compressed.\n' "$(stat -c %s "$TARGET")" "$(gzip -9n <"$TARGET" | wc -c)"
            ;;
        --check) cmp -s "$SCRATCH/$FILE" "$TARGET" || fail "portal/static/plotly.js is not $PACKAGE $VERSION: run portal/charts/build.sh and commit the difference." ;;
        *) fail "build.sh does not know $1: it takes --check or nothing." ;;
    esac
}

main "$@"
