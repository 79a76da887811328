#!/usr/bin/env bash
# Runs the browser tests against the built web app (scripts/web.sh) and the programs as tests use them (dev profile).
# Further arguments go to Playwright: web/tests/run.sh chat.spec.ts -g "blue"
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --locked -q --workspace --bins --tests
scripts/web.sh tests
cd web
case " $* " in *" --project "*) ;; *) set -- "$@" --project app ;; esac
exec node_modules/.bin/playwright test "$@"
