#!/usr/bin/env bash
# Sends a text from stdin and waits up to ten minutes until the other side has it. Prints the id of the message as soon as it is
# accepted, then its state. Exit 0 when it is delivered, 1 when it failed, 6 when it is accepted and more is not known. 2 when
# it was not accepted, or that is not known: called again with the same key it is sent once. Needs bash and curl.
# usage: echo <text> | HEARSAY_HOME=… scripts/send.sh <contact> [idempotency key]
set -euo pipefail
socket=${HEARSAY_HOME:?set HEARSAY_HOME}/rpc.sock
usage='usage: echo <text> | send.sh <contact> [idempotency key]'
contact=${1:?$usage}
key=${2:-send-$RANDOM$RANDOM-$$-$(date +%s)}
# Not an argument: other users of the machine see those.
text=$(cat)

# One JSON-RPC call over the daemon's socket: call <method> <params as JSON>
call() {
  printf '{"jsonrpc":"2.0","id":1,"method":"%s","params":%s}' "$1" "$2" |
    curl --silent --show-error --unix-socket "$socket" \
      --header 'Content-Type: application/json' --data-binary @- http://localhost/rpc
}

# A bash string as a JSON string.
json() {
  local s=$1
  s=${s//\\/\\\\} s=${s//\"/\\\"} s=${s//$'\n'/\\n} s=${s//$'\t'/\\t} s=${s//$'\r'/\\r}
  printf '"%s"' "$s"
}

# Prints the value of a string field of a reply, or the reply itself as an error.
field() {
  local reply=$1
  if [[ $reply =~ \"$2\":\"([^\"]*)\" && $reply != *'"error":'* ]]; then
    printf '%s' "${BASH_REMATCH[1]}"
  else
    printf '%s\n' "$reply" >&2
    return 1
  fi
}

params="{\"to\":$(json "$contact"),\"body\":{\"text\":$(json "$text")},\"idempotencyKey\":$(json "$key")}"
if ! reply=$(call messages.send "$params") || ! id=$(field "$reply" messageId); then
  echo "to be sure that it is sent once, repeat it with the key $key" >&2
  exit 2
fi
echo "$id"
# It is accepted: whatever happens to this call, the daemon goes on.
reply=$(call messages.wait "{\"messageId\":\"$id\",\"state\":\"delivered\",\"timeoutMs\":600000}") || exit 6
state=$(field "$reply" state) || exit 6
echo "$state"
[[ $state == delivered || $state == read ]]
