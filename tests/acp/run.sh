#!/usr/bin/env bash
# run.sh PILLION_BINARY CACHE_FOLDER    clients of the Agent Client Protocol that we did not write, against the real
# binary and a scripted model: acpx, the protocol's TypeScript and Python SDKs. Every message that was sent to them is
# checked against the protocol's own JSON schema.
#
# One `ok` line a check. ONLY=part_of_a_name chooses cases.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
binary=$(realpath "$1")
cache=$(realpath -m "$2")
"$here/install.sh" "$cache"
PATH=$cache/bin:$cache/node_modules/.bin:$PATH PYTHONPATH=$cache/python PYTHONDONTWRITEBYTECODE=1 \
  PILLION_BINARY=$binary ACP_MODULES=$cache/node_modules exec python3 "$here/suite.py"
