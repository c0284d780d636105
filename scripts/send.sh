#!/usr/bin/env bash
# Sends a text from stdin and waits up to ten minutes until the other side has it. Prints the id of the message as soon as it is
# accepted, then its state. Exit 0 when it is delivered, 1 when it failed, 6 when it is accepted and more is not known, 2 when
# it was not accepted, or that is not known: called again with the same key it is sent once. Needs bash and curl.
# usage: echo <text> | HEARSAY_HOME=… scripts/send.sh [--key <idempotency key>] <contact>
set -euo pipefail
key=send-$RANDOM$RANDOM-$$-$(date +%s)
if [[ ${1-} == --key && $# -gt 2 ]]; then
  key=$2
  shift 2
fi
if [[ $# -ne 1 || -z ${HEARSAY_HOME-} ]]; then
  echo 'usage: echo <text> | HEARSAY_HOME=<dir> send.sh [--key <idempotency key>] <contact>' >&2
  exit 2
fi
socket=$HEARSAY_HOME/rpc.sock
contact=$1
# Not an argument: other users of the machine see those.
text=$(cat)

# One JSON-RPC call over the daemon's socket: call <seconds> <method> <params as JSON>
call() {
  local seconds=$1
  shift
  printf '{"jsonrpc":"2.0","id":1,"method":"%s","params":%s}' "$1" "$2" |
    curl --silent --show-error --max-time "$seconds" --unix-socket "$socket" \
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
if ! reply=$(call 60 messages.send "$params") || ! id=$(field "$reply" messageId); then
  echo "to be sure that it is sent once, repeat it with the key $key" >&2
  exit 2
fi
echo "$id"
# It is accepted: whatever happens to this call, the daemon goes on.
reply=$(call 630 messages.wait "{\"messageId\":\"$id\",\"state\":\"delivered\",\"timeoutMs\":600000}") || exit 6
state=$(field "$reply" state) || exit 6
echo "$state"
[[ $state == delivered || $state == read ]]
