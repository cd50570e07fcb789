#!/usr/bin/env bash
# run.sh PILLION_BINARY CACHE_FOLDER    the plugin in a real Neovim against the real binary and a scripted model.
#
# One `ok` line a check, then `N passed, N failed`. Screens as a person sees them go to CACHE_FOLDER/screens.
# NVIM_VERSIONS="0.11" chooses versions, ONLY=regex (as after \v in Vim) the cases.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
binary=$(realpath "$1")
cache=$(realpath -m "$2")
status=0

read -ra versions <<<"${NVIM_VERSIONS:-0.11}"
"$here/install.sh" "$cache" "${versions[@]}"
mkdir -p "$cache/screens"

for version in "${versions[@]}"; do
  nvim=$cache/bin/nvim-$version
  PILLION_BINARY=$binary NVIM=$nvim SCREENS=$cache/screens \
    "$nvim" --headless -u NONE -i NONE -n -l "$here/suite.lua" || status=1
done
exit $status
