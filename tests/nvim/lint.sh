#!/usr/bin/env bash
# lint.sh    the Lua of the plugin and of its suite: stylua's format and luacheck, each where it is installed.
set -euo pipefail

cd "$(dirname "$0")/../.."
if command -v stylua >/dev/null; then
  stylua --check --config-path editors/nvim/.stylua.toml editors/nvim tests/nvim
else
  echo "lint.sh: stylua is not installed, the format is not checked"
fi
if command -v luacheck >/dev/null; then
  luacheck --quiet --config editors/nvim/.luacheckrc editors/nvim tests/nvim
else
  echo "lint.sh: luacheck is not installed"
fi
