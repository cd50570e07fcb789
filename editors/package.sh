#!/usr/bin/env bash
# editors/package.sh [FOLDER]   both plugins as files to install, in target/plugins if no FOLDER is named:
#                               pillion.vsix for VS Code and pillion.nvim.tar.gz for Neovim
#
# Needs Node.js 20 or newer with npm. With PILLION_SERVER=PATH that pillion comes inside the VS Code extension.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-target/plugins}
mkdir -p "$folder"
(
  cd editors/vscode
  # Not `npm ci`, which fails where a registry lacks the programs of another platform.
  npm install --no-save --silent --ignore-scripts --no-audit --no-fund
  npm run --silent package
)
cp editors/vscode/pillion.vsix "$folder/"
tar -czf "$folder/pillion.nvim.tar.gz" -C editors/nvim README.md doc lua plugin
printf '%s\n' "$folder/pillion.vsix" "$folder/pillion.nvim.tar.gz"
