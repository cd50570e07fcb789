#!/usr/bin/env bash
# run.sh PILLION_BINARY CACHE_FOLDER    the plugin in real Neovims against the real binary and a scripted model.
#
# Neovim 0.11 plays every case without a terminal and in one, each over another of the model's wires; 0.10 and 0.12 play
# every case without and the core in one. A version that cannot be had here is said and left out, 0.11 excepted.
#
# One `ok` line a check; then, for each part, `N passed, N failed`. Screens as a person sees them go to
# CACHE_FOLDER/screens/VERSION. VERSIONS="0.12" chooses versions, ONLY=regex (as after \v in Vim) the cases.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
export here binary cache
binary=$(realpath "$1")
cache=$(realpath -m "$2")

# Chosen by hand: a part mostly waits, for keys to arrive and for a person to have rested.
AT_ONCE=5
# Seconds for a part, far more than it takes: one that hangs is a failure, and not for ever.
export LIMIT=1200

read -ra versions <<<"${VERSIONS:-0.11 0.10 0.12}"
"$here/install.sh" "$cache" "${versions[@]}"
export PATH=$cache/bin:$PATH

# part VERSION SEAT WIRE [CASES]
part() {
  local version=$1 seat=$2 wire=$3 log
  shift 3
  log=$(mktemp "$cache/part.XXXXXX")
  mkdir -p "$cache/screens/$version"
  local status=0
  PILLION_BINARY=$binary NVIM=$cache/bin/nvim-$version SCREENS=$cache/screens/$version SEATS=$seat WIRES=$wire CASES=$* \
    timeout "$LIMIT" "$cache/bin/nvim-$version" --headless -u NONE -i NONE -n -l "$here/suite.lua" >"$log" 2>&1 || status=1
  sed "\$s/^/nvim $version $seat $wire: /" "$log"
  rm -f "$log"
  return $status
}
export -f part

parts() {
  local version
  for version in "${versions[@]}"; do
    if [ ! -e "$cache/bin/nvim-$version" ]; then
      continue
    elif [ "$version" = 0.11 ]; then
      echo "$version tmux anthropic"
      echo "$version headless openai"
    else
      echo "$version tmux openai prompting editing reviewing loading"
      echo "$version headless anthropic"
    fi
  done
}

if [[ " ${versions[*]} " == *" 0.11 "* && ! -e $cache/bin/nvim-0.11 ]]; then
  echo "run.sh: without Neovim 0.11 nothing is proven" >&2
  exit 1
fi
parts | xargs -P "$AT_ONCE" -I {} bash -c 'part {}'
