#!/usr/bin/env bash
# Installs what building Sotto needs and is missing: says what and why, uses sudo if you are not root, or prints the exact
# line and stops. Does nothing, and needs no network, when everything is there.
# usage: scripts/setup.sh [build] [test]      (default: build)
set -euo pipefail
cd "$(dirname "$0")/.."

want=" ${*:-build} "
packages=()
reasons=()
need() { # command, Debian package, reason
    command -v "$1" >/dev/null 2>&1 && return 0
    packages+=("$2")
    reasons+=("$2: $3")
}

need protoc protobuf-compiler "compiles the .proto files of the wire protocol"
need cc build-essential "compiles SQLite and links the programs"
need c++ build-essential "compiles the fuzzing engine of the tests"

if ((${#packages[@]})); then
    printf 'Missing:\n'
    printf '  %s\n' "${reasons[@]}"
    run=(apt-get install -y --no-install-recommends "${packages[@]}")
    if ! command -v apt-get >/dev/null 2>&1; then
        printf 'This machine has no apt. Install these with its own package manager, then run make again.\n' >&2
        exit 1
    elif [ "$(id -u)" = 0 ]; then
        elevate=()
    elif sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null 2>&1; }; then
        elevate=(sudo)
    else
        printf 'Run this as root, then run make again:\n  apt-get update && %s\n' "${run[*]}" >&2
        exit 1
    fi
    printf 'Installing with apt: %s\n' "${packages[*]}"
    "${elevate[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${elevate[@]}" "${run[@]}" -qq >/dev/null
fi

if ! command -v cargo >/dev/null 2>&1; then
    cat >&2 <<'T'
Missing: the Rust toolchain (1.90 or newer). Install it as https://rustup.rs says, then run make again.
T
    exit 1
fi
rust=$(rustc --version | awk '{print $2}')
if [ "$(printf '%s\n1.90.0\n' "${rust%%-*}" | sort -V | head -n 1)" != 1.90.0 ]; then
    printf 'Rust %s is too old: Sotto needs 1.90 or newer. Run: rustup update stable\n' "$rust" >&2
    exit 1
fi

if [[ $want == *" test "* ]]; then
    for part in clippy rustfmt; do
        cargo "${part/rustfmt/fmt}" --version >/dev/null 2>&1 && continue
        printf 'Adding the Rust component %s\n' "$part"
        rustup component add "$part"
    done
    if ! command -v npm >/dev/null 2>&1 || ! node -e 'process.exit(Number(parseInt(process.versions.node) < 20))' 2>/dev/null; then
        printf 'Missing: Node.js 20 or newer with npm (the tests talk to the official Signal library in JavaScript).\n' >&2
        printf 'Install it from https://nodejs.org or your distribution, then run make test again.\n' >&2
        exit 1
    fi
fi
