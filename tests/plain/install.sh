#!/usr/bin/env bash
# install.sh FOLDER    puts what the tests of plain clients need into FOLDER: Helix and Emacs as unpacked Debian packages
# (bin/hx, bin/emacs), and pytest-lsp (bin/pytest).
#
# An editor that cannot be had here is said and left out: its link is missing afterwards.
set -euo pipefail
. "$(dirname "$0")/../debian.sh"

folder=$(realpath -m "$1")
mkdir -p "$folder/bin"

# Helix is in no stable release of Debian.
install_hx() {
  local root=$folder/helix
  unpack_suite sid "$root" hx && use_own_libraries "$root" "$root/usr/bin/hx" "$folder/patchelf" || return 1
  cat >"$folder/bin/hx" <<END
#!/bin/sh
HELIX_RUNTIME='$root/usr/lib/hx/runtime' exec '$root/usr/bin/hx' "\$@"
END
}

# Emacs looks for its files where Debian would have put them, unless it is told.
install_emacs() {
  local root=$folder/emacs version data libexec
  unpack_suite trixie "$root" emacs-nox || return 1
  use_own_libraries "$root" "$root/usr/bin/emacs-nox" "$folder/patchelf" || return 1
  data=$(compgen -G "$root/usr/share/emacs/[0-9]*") && version=${data##*/}
  libexec=$(compgen -G "$root/usr/libexec/emacs/$version/*-linux-gnu*")
  cat >"$folder/bin/emacs" <<END
#!/bin/sh
export EMACSDATA='$data/etc' EMACSDOC='$data/etc' EMACSPATH='$libexec'
export EMACSLOADPATH='$(find "$data/lisp" -type d | paste -sd :)'
exec '$root/usr/bin/emacs-nox' --dump-file='$(compgen -G "$libexec/emacs-*.pdmp")' "\$@"
END
}

for program in hx emacs; do
  [ -x "$folder/bin/$program" ] && continue
  rm -rf "${folder:?}/$([ $program = hx ] && echo helix || echo emacs)"
  if "install_$program" && chmod +x "$folder/bin/$program" && "$folder/bin/$program" --version >/dev/null 2>&1; then
    "$folder/bin/$program" --version | head -n 1
  else
    rm -f "$folder/bin/$program"
    say_why "$program cannot be had here"
  fi
done

if [ ! -x "$folder/bin/pytest" ]; then
  rm -rf "$folder/python"
  python3 -m venv "$folder/python"
  "$folder/python/bin/pip" install --quiet --disable-pip-version-check \
    pytest-lsp==1.0.1 pytest==9.2.0 pytest-asyncio==1.5.0 pygls==2.1.1 lsprotocol==2025.0.0
  ln -sf "$folder/python/bin/pytest" "$folder/bin/pytest"
fi
