#!/usr/bin/env bash
# install.sh FOLDER    puts the clients into FOLDER: node_modules, python, and bin/node where the system's is too old.
set -euo pipefail

folder=$(realpath -m "$1")
versions="acpx@0.19.1 @agentclientprotocol/sdk@2.4.0"
python="agent-client-protocol==0.12.1 jsonschema==4.26.0"
node=24.21.0
[ "$(cat "$folder/versions" 2>/dev/null)" = "$versions $python $node" ] && exit 0

die() {
  echo "install.sh: $*" >&2
  exit 1
}

command -v npm >/dev/null || die "npm is missing: install Node.js"
python3 -m pip --version >/dev/null 2>&1 || die "pip is missing: install Python 3 with pip"
rm -rf "$folder"
mkdir -p "$folder/bin"
cd "$folder"
echo '{"private": true}' >package.json
install() { npm install --silent --ignore-scripts --no-audit --no-fund "$@"; }
# acpx wants Node 22; an npm package carries one for each system.
if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 22 ]; then
  system=$(node -p 'process.platform.replace("win32", "win") + "-" + process.arch')
  install "node-$system@$node"
  ln -s "../node_modules/node-$system/bin/node" bin/node
fi
read -ra packages <<<"$versions"
install "${packages[@]}"
read -ra packages <<<"$python"
PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --only-binary :all: \
  --target python "${packages[@]}"
echo "$versions $python $node" >versions
