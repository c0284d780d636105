#!/usr/bin/env bash
# Sends a text and waits up to ten minutes until the other side has it: exit 0 only then. Needs bash and curl.
# usage: HEARSAY_HOME=… scripts/send.sh <contact> <text>
set -euo pipefail
socket=${HEARSAY_HOME:?set HEARSAY_HOME}/rpc.sock
contact=${1:?usage: send.sh <contact> <text>}
text=${2:?usage: send.sh <contact> <text>}

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

reply=$(call messages.send "{\"to\":$(json "$contact"),\"body\":{\"text\":$(json "$text")}}")
id=$(field "$reply" messageId)
reply=$(call messages.wait "{\"messageId\":\"$id\",\"state\":\"delivered\",\"timeoutMs\":600000}")
state=$(field "$reply" state)
echo "$id $state"
[[ $state == delivered || $state == read ]]
