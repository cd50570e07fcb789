#!/usr/bin/env bash
# tests/clients/run.sh PILLION WEBSOCKETS: has a `pillion serve` do the same job for each of these clients.
# WEBSOCKETS is the folder with the Python package of that name.
set -euo pipefail
pillion=$1 websockets=$2
clients=$(cd "$(dirname "$0")" && pwd)
ground=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$ground"' EXIT

mkdir "$ground/project"
cat >"$ground/script.json" <<'JSON'
[{"afterTools": true, "steps": [{"text": "Done."}], "reuse": true},
 {"steps": [{"text": "I will write it down. "},
            {"toolCall": {"name": "write", "input": {"path": "note.txt", "content": "Fuel at Shap.\n"}}}], "reuse": true}]
JSON
printf '[providers.scripted]\nkind = "scripted"\nscript = "%s/script.json"\n' "$ground" >"$ground/config.toml"
export PILLION_CONFIG=$ground/config.toml PILLION_STATE_DIR=$ground/state PILLION_MODEL=scripted/any
mkfifo "$ground/url"
(cd "$ground/project" && exec "$pillion" serve --listen 127.0.0.1:0 >"$ground/url" 2>"$ground/stderr") &
server=$!
read -r url <"$ground/url" || { cat "$ground/stderr" >&2; exit 1; }
token=$(cat "$ground/state/serve-token")

# try NAME COMMAND...: the command with URL, TOKEN and a prompt has the note written and prints what the model says.
try() {
  local name=$1 said
  shift
  rm -f "$ground/project/note.txt"
  said=$(timeout 180 "$@" "$url" "$token" 'Remember to "fuel" at Shap') || { printf '%s failed\n' "$name" >&2; exit 1; }
  case $said in
    *"I will write it down. "*"Done."*) ;;
    *) printf '%s printed: %s\n' "$name" "$said" >&2; exit 1 ;;
  esac
  [ "$(cat "$ground/project/note.txt")" = "Fuel at Shap." ] || { printf '%s wrote no note\n' "$name" >&2; exit 1; }
  printf '   %s\n' "$name"
}

try "Python, websockets" env PYTHONPATH="$websockets" python3 "$clients/client.py"
try "raw frames" python3 "$clients/frames.py"
try "curl" bash "$clients/client.sh"
if node --experimental-websocket -e 'WebSocket' 2>/dev/null; then
  try "Node, built in" node --no-warnings --experimental-websocket "$clients/client.mjs"
else
  printf '   Node, built in: SKIPPED, there is no node of version 20.10 or newer here\n'
fi

kill -TERM "$server"
wait "$server" || { printf 'the server ended with %d\n' $? >&2; exit 1; }
