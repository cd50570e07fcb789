#!/usr/bin/env bash
# A whole turn over HTTP, approvals included: client.sh URL TOKEN PROMPT. Needs curl and python3, which takes JSON apart.
set -euo pipefail
url=$1 token=$2 prompt=$3

# call METHOD PARAMS EXPRESSION: prints what the expression says of the `result`.
call() {
  curl --silent --show-error --fail --header "Authorization: Bearer $token" --header 'Content-Type: application/json' \
    --data "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"$1\", \"params\": $2}" "$url" |
    python3 -c "import json, sys; result = json.load(sys.stdin)['result']; print($3)"
}

session=$(call session/new '{}' 'result["sessionId"]')
said=$(python3 -c 'import json, sys; print(json.dumps([{"type": "text", "text": sys.argv[1]}]))' "$prompt")
call turn/start "{\"sessionId\": \"$session\", \"prompt\": $said}" 'end=""'
while true; do
  open=$(call approval/list "{\"sessionId\": \"$session\"}" '" ".join(open["approvalId"] for open in result["approvals"])')
  for approval in $open; do
    call approval/respond "{\"approvalId\": \"$approval\", \"decision\": {\"type\": \"allow\"}}" '"allowed"'
  done
  running=$(call session/list '{}' "any(one.get('turnId') for one in result['sessions'] if one['sessionId'] == '$session')")
  [ "$running" = True ] || break
  sleep 0.1
done
call event/list "{\"sessionId\": \"$session\"}" \
  '"".join(event["event"].get("text", "") for event in result["events"] if event["event"]["type"] == "messageDelta")'
