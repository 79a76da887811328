#!/usr/bin/env bash
# Starts the server of this checkout with the demo bot and prints what to type next. Ctrl-C stops both.
# usage: scripts/run.sh DATA_DIR LISTEN
set -euo pipefail
data=$1
listen=$2
bin=target/release

port=${listen##*:}
if (exec 3<>"/dev/tcp/${listen%:*}/$port") 2>/dev/null; then
    printf 'Something already listens on %s. Stop it, or choose another port: make run LISTEN=127.0.0.1:%d\n' \
        "$listen" $((port + 1)) >&2
    exit 1
fi

flag=
[ "$listen" = 127.0.0.1:8080 ] || flag=" --server http://$listen"
cat <<T

Sotto is about to listen on http://$listen (data in $data).

  Open http://$listen in a browser, choose a name, and write to @echo, the demo bot.
  A private window, or another browser, is a second person.

Or chat from two other terminals:

  Terminal 1                                          Terminal 2
  $bin/sotto --profile ann$flag register ann
  $bin/sotto --profile ann$flag chat
                                                      $bin/sotto --profile bob$flag register bob
                                                      $bin/sotto --profile bob$flag send ann "hello"
                                                      $bin/sotto --profile bob$flag chat ann

  The demo bot, too:  $bin/sotto --profile ann$flag send echo "anyone there?"

Ctrl-C stops the server.

T
# For the page about presence in the web app (Settings, Server, Developer); nobody else is here to mind.
export SOTTO_WEB_DEVELOPER_STATS=${SOTTO_WEB_DEVELOPER_STATS:-true}
exec "$bin/sottod" serve --demo --data "$data" --listen "$listen"
