#!/usr/bin/env bash
# Fetches what the desk's map is drawn with: portal/static/leaflet.js and leaflet.css, and portal/static/deck.js.
#
#   build.sh           fetches them and writes them
#   build.sh --check   fetches them and fails if what is checked in is something else
#
# They are as their makers publish them, not changed by an octet. Leaflet draws the map where it is not Google's; deck.gl draws heat and
# hexagons on Google's, and is loaded by whoever asks for those. Only who takes a newer version needs this, with npm: versions and digests
# stand below.
set -euo pipefail
export LC_ALL=C

HERE=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd -P)
readonly HERE STATIC=$HERE/../static
# Package, version, its digest as `npm view PACKAGE@VERSION dist.integrity` says it, and which of its files becomes which.
readonly LEAFLET=(leaflet 1.9.4 'nxS1ynzJOmOlHp+iL3FyWqK89GtNL8U8rvlMOsQdTTssxZwCXh8N2NB3GDQOL+YR3XnWyZAxwQixURb+FA74PA=='
    dist/leaflet.js leaflet.js dist/leaflet.css leaflet.css)
readonly DECK=(deck.gl 9.4.0 '8q5R1CwUNZUYTZ41BC8l6avRvLIEzT9uceh0PHc6Me74dLlpBvYt92pFLpY25i0HFSg9cRiVuidTXFRpmuZbJg=='
    dist.min.js deck.js)

fail() {
    printf 'map: %s\n' "$*" >&2
    exit 1
}

# Fetches a package and brings its files, or compares them.
bring() {
    local mode=$1 package=$2 version=$3 integrity=$4 folder
    shift 4
    folder=$SCRATCH/$package
    mkdir "$folder"
    (cd "$folder" && npm pack "$package@$version" --silent --ignore-scripts >/dev/null) || fail "npm could not fetch $package $version."
    [[ $(openssl dgst -sha512 -binary "$folder/$package-$version.tgz" | base64 -w0) == "$integrity" ]] ||
        fail "What npm fetched is not $package $version as it was looked at."
    tar -xzf "$folder/$package-$version.tgz" -C "$folder"
    [[ $mode == check ]] || cp "$folder/package/LICENSE" "$HERE/LICENSE-$package"
    while (($#)); do
        if [[ $mode == check ]]; then
            cmp -s "$folder/package/$1" "$STATIC/$2" || fail "portal/static/$2 is not that of $package $version: run portal/map/build.sh and commit the difference."
        else
            cp "$folder/package/$1" "$STATIC/$2"
            printf 'map: %s has %d octets, %d compressed.\n' "$2" "$(stat -c %s "$STATIC/$2")" "$(gzip -9n <"$STATIC/$2" | wc -c)"
        fi
        shift 2
    done
}

main() {
    local mode=write
    command -v npm >/dev/null || fail "npm is not installed; it comes with Node.js."
    case ${1:-} in
        '') ;;
        --check) mode=check ;;
        *) fail "build.sh does not know $1: it takes --check or nothing." ;;
    esac
    SCRATCH=$(mktemp -d)
    trap 'rm -rf "$SCRATCH"' EXIT
    bring "$mode" "${LEAFLET[@]}"
    bring "$mode" "${DECK[@]}"
}

main "$@"
