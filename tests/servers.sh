#!/usr/bin/env bash
# Gets servers newer than the machine's own: `servers.sh mysql mariadb`. They come from Debian unstable, by apt, as packages
# unpacked into a directory of their own; nothing is installed, nothing is mounted, and no root is needed. Prints one line for
# each: what it is, where, and what it cost. What is there already stays as it is.
set -euo pipefail
where=${DRIFTLESS_TEST_SERVERS:-}
if [ -z "$where" ]; then
    # The servers of root's tests run as the user mysql, who can't read root's home.
    if [ "$(id -u)" = 0 ]; then where=/var/cache/driftless-tests; else where=${XDG_CACHE_HOME:-$HOME/.cache}/driftless-tests; fi
fi
archive=${DRIFTLESS_TEST_ARCHIVE:-http://deb.debian.org/debian}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

packages_of() {
    case $1 in
    mysql) echo mysql-server-core mysql-client-core ;;
    mariadb) echo mariadb-server mariadb-server-core mariadb-client-core mariadb-client galera-4 ;;
    *) echo "no such server: $1 (mysql, mariadb)" >&2 && return 2 ;;
    esac
}

# apt with a state of its own: it knows no installed package, no other archive, and touches nothing outside of $work.
ask() {
    apt-get -q -o "Dir::State=$work/state" -o "Dir::State::status=$work/status" -o "Dir::Cache=$work/cache" \
        -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null \
        -o Dir::Etc::preferencesparts=/dev/null -o Dir::Etc::trusted=/dev/null -o Dir::Etc::trustedparts=/dev/null \
        -o "APT::Sandbox::User=$(id -un)" -o Acquire::Languages=none -o Acquire::Retries=2 -o Acquire::http::Timeout=60 \
        -o Debug::NoLocking=true "$@"
}

# Programs of unstable want unstable's libraries, so each is started by the loader that came with it.
wrap() { # TREE PROGRAM
    local tree=$1 program=$2 loader
    [ ! -L "$program" ] && [ "$(head -c 4 "$program" | tail -c 3)" = ELF ] || return 0
    loader=$(cd "$work/tree" && ls -d usr/lib*/ld-linux*.so.* | head -1)
    mv "$program" "$program.bin"
    cat >"$program" <<END
#!/bin/sh
exec '$tree/$loader' --library-path '$tree/$(cd "$work/tree" && ls -d usr/lib/*-linux-gnu*)' '$tree/${program#"$work/tree/"}.bin' "\$@"
END
    chmod 755 "$program"
}

fetch() { # NAME: makes $where/NAME, whole or not at all
    local name=$1 packages deb name_of program
    packages=$(packages_of "$name")
    mkdir -p "$work"/{state/lists/partial,cache/archives/partial,tree}
    : >"$work/status"
    echo "deb [signed-by=$keyring] $archive sid main" >"$work/sources.list"
    ask update
    # shellcheck disable=SC2086 # several words
    ask install --download-only --no-install-recommends -y $packages
    for deb in "$work"/cache/archives/*.deb; do
        name_of=${deb##*/}
        name_of=${name_of%%_*}
        # Of what they depend on, the libraries.
        case " $packages " in *" $name_of "*) name_of=lib ;; esac
        case $name_of in libperl* | *-perl) ;; lib* | zlib1g | openssl-provider-*) dpkg-deb -x "$deb" "$work/tree" ;; esac
    done
    for program in "$work"/tree/usr/{sbin,bin}/*; do wrap "$where/$name" "$program"; done
    rm -rf "$work"/tree/usr/share/{doc,man,locale,gdb,lintian,info}
    dpkg-deb -f "$work/cache/archives/$(cd "$work/cache/archives" && ls | grep "^$name-server-core_")" Version >"$work/tree/version"
    rm -rf "${where:?}/$name"
    mv "$work/tree" "$where/$name"
}

mkdir -p "$where"
chmod 755 "$where"
failed=0
for name in "$@"; do
    packages_of "$name" >/dev/null
    exec 9>"$where/.$name.lock"
    flock 9
    if [ -e "$where/$name/version" ]; then
        echo "$name $(cat "$where/$name/version") is in $where/$name"
        continue
    fi
    began=$SECONDS
    work=$(mktemp -d "$where/.$name.XXXXXX")
    chmod 755 "$work"
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
    # Not inside an `if`, where nothing stops at the first thing that fails.
    set +e
    (set -e && fetch "$name") >"$work/log" 2>&1 </dev/null
    set -e
    if [ -e "$where/$name/version" ]; then
        echo "$name $(cat "$where/$name/version") came from Debian unstable in $((SECONDS - began)) s; it is in $where/$name"
    else
        failed=1
        { echo "$name can't be had from $archive:" && tail -n 15 "$work/log"; } >&2
    fi
    rm -rf "$work"
done
exit "$failed"
