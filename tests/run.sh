#!/usr/bin/env bash
# Runs all tests, after installing what they need (Debian and its kin, as root). Arguments go to `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin:/usr/sbin:/sbin"

# A test that finds a program missing fails and names the package; this list keeps that from happening.
packages=()
need() { # PACKAGE PATH-OR-PROGRAM: the package, unless the program or file is there
    if ! command -v "$2" >/dev/null && ! [ -e "$2" ]; then packages+=("$1"); fi
}
need mariadb-server mariadbd
need mariadb-server mariadb-install-db
need mariadb-client mariadb
need galera-4 /usr/lib/galera/libgalera_smm.so
need rsync rsync
need haproxy haproxy
need lsof lsof
need openssl openssl
need iproute2 ss
need debian-archive-keyring /usr/share/keyrings/debian-archive-keyring.gpg
need gcc cc
need libc6-dev /usr/include/stdio.h

install() {
    local policy=/usr/sbin/policy-rc.d
    # The tests start servers of their own; the packages' services must not start.
    if ! [ -e "$policy" ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        trap 'exit 130' INT TERM HUP
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update
    apt-get install -y --no-install-recommends "$@"
}

if ((${#packages[@]})); then
    echo "missing: ${packages[*]}"
    if [ "$(id -u)" != 0 ]; then
        echo "only root may install them: run this as root, or install them by hand" >&2
        exit 1
    elif ! command -v apt-get >/dev/null; then
        echo "there is no apt-get: install them with this system's package tool" >&2
        exit 1
    fi
    # In a shell of its own, so that its traps run when it ends.
    log=$(mktemp)
    if ! (install "${packages[@]}") >"$log" 2>&1 </dev/null; then
        cat "$log"
        echo "the packages could not be installed; the lines above say why" >&2
        exit 1
    fi
    rm -f "$log"
fi

# Servers newer than this machine's. Unstable moves: when one can't be had, its tests are skipped, and counted below.
for server in mysql mariadb; do
    bash tests/servers.sh "$server" || DRIFTLESS_TEST_WITHOUT="${DRIFTLESS_TEST_WITHOUT:-} $server"
done
export DRIFTLESS_TEST_WITHOUT=${DRIFTLESS_TEST_WITHOUT:-}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
cargo test --workspace --no-fail-fast "$@" 2>&1 | tee "$log" || status=$?

echo
echo "The runner's own lines, by test binary:"
grep -E '^ +(Running|Doc-tests) |^test result:|^test .* FAILED$|^error' "$log" || echo "none: nothing ran"
if grep -qa '^SKIPPED: ' "$log"; then
    grep -a '^SKIPPED: ' "$log"
    echo "$(grep -ac '^SKIPPED: ' "$log") tests were SKIPPED: their server, or the right to mount, could not be had"
fi
exit "$status"
