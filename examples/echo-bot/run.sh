#!/bin/sh
# A bot that answers every message with the same text. Needs a running server and nothing else.
#   SOTTO_SERVER  the server                  (default http://127.0.0.1:8080)
#   SOTTO_HOME    where the bot's profile is  (default sotto's own place; set it to keep the bot apart from you)
#   SOTTO_INVITE  an invite code, if the server wants one to register
#   SOTTO_BIN     the sotto program           (default: sotto)
#   ECHO_BIN      the answering program       (default: sotto-echo beside SOTTO_BIN, else on the PATH)
#   ECHO_NAME     the bot's username          (default: echo)
set -u
sotto=${SOTTO_BIN:-sotto}
name=${ECHO_NAME:-echo}
echo_bin=${ECHO_BIN:-}
if [ -z "$echo_bin" ]; then
    beside=$(dirname -- "$(command -v -- "$sotto")")/sotto-echo
    if [ -x "$beside" ]; then echo_bin=$beside; else echo_bin=sotto-echo; fi
fi

# Exit code 4: the profile has no account yet. Anything else is said by sotto itself.
"$sotto" whoami >/dev/null 2>&1
if [ $? -eq 4 ]; then
    umask 077
    # The recovery code is printed once: keep it beside the profile.
    "$sotto" --json register "$name" ${SOTTO_INVITE:+--invite "$SOTTO_INVITE"} --yes --device-name echo-bot >"${SOTTO_HOME:-.}/echo-registered.json" || {
        cat "${SOTTO_HOME:-.}/echo-registered.json" >&2
        exit 1
    }
    echo "registered @$name" >&2
fi

# The first `sotto` owns the profile, the second attaches to it. If one dies, the pipe ends.
# Whoever writes is accepted: a bot has nobody to ask.
"$sotto" listen --json --mark-read --accept-requests | "$echo_bin" | "$sotto" send --stdin --json >/dev/null
