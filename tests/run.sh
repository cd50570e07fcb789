#!/usr/bin/env bash
# tests/run.sh               every test, as CI runs it
# tests/run.sh portable      the part that needs nothing but Rust: fmt clippy test doc examples ride
# tests/run.sh STEP...       single steps: fmt clippy test doc examples ride deny typos lua nvim, and msrv, which no set includes
#
# Programs that are missing are fetched once, at fixed versions, into PILLION_TOOLS (else the user's cache folder);
# the system itself is not changed. CARGO_TARGET_DIR is respected. Bash 3.2 is enough.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=${PILLION_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/pillion-tools}
portable="fmt clippy test doc examples ride"
all="$portable deny typos lua nvim"

# ------------------------------------------------------------------ steps

step_fmt() {
  cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
  cargo fmt --all --check
}

step_clippy() {
  cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
  cargo clippy --locked --all-targets -- -D warnings
}

# Generated files are checked here too: a test writes each anew and fails if that changed it.
step_test() {
  if has cargo-nextest; then
    cargo nextest run --locked
  else
    cargo test --locked --lib --bins --tests
  fi
}

# nextest runs no doc tests.
step_doc() {
  cargo test --locked --doc
  RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
}

# Each asserts what it shows.
step_examples() {
  local example
  cargo build --locked --examples
  for example in examples/*.rs; do
    cargo run --quiet --locked --example "$(basename "$example" .rs)" </dev/null >/dev/null || die "$example failed"
  done
}

# The built program, driven as an editor does, once and shortly. For figures: cargo bench --bench ride
step_ride() {
  cargo test --locked --bench ride
}

step_deny() {
  tool_deny
  cargo fetch --locked --quiet
  cargo-deny --offline --locked check --hide-inclusion-graph licenses bans sources
  local trouble
  if trouble=$(cargo-deny --log-level error fetch db 2>&1); then
    cargo-deny --locked check --disable-fetch --hide-inclusion-graph advisories
  else
    say "advisories: SKIPPED, the advisory database cannot be had from here: $(tail -n 1 <<<"$trouble")"
  fi
}

step_typos() {
  tool_typos
  typos
}

step_lua() {
  tool_stylua
  tool_luacheck
  stylua --check --config-path editors/nvim/.stylua.toml editors/nvim tests/nvim
  luacheck --quiet --no-color --config editors/nvim/.luacheckrc editors/nvim tests/nvim
}

step_nvim() {
  local target
  target=$(cargo metadata --locked --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
  cargo build --locked --bin pillion
  tests/nvim/run.sh "$target/debug/pillion" "$tools/nvim"
}

# The oldest Rust that Cargo.toml promises.
step_msrv() {
  local version
  version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  rustup toolchain install "$version" --profile minimal --no-self-update
  cargo "+$version" check --locked --all-targets
}

# ------------------------------------------------------------------ tools

say() { printf '   %s\n' "$*"; }
has() { command -v "$1" >/dev/null 2>&1; }

die() {
  printf 'tests/run.sh: %s\n' "$*" >&2
  exit 1
}

# fetch NAME VERSION COMMAND...: puts a tool into the cache by running COMMAND in an empty folder, unless it is there.
# The folder takes its name at the end, so that a fetch cut short is never taken for whole.
fetch() {
  folder=$tools/$1-$2
  if [ ! -d "$folder" ]; then
    say "fetching $1 $2 into $folder"
    local new
    mkdir -p "$tools"
    new=$(mktemp -d "$tools/.$1.XXXXXX")
    (cd "$new" && shift 2 && "$@") || { rm -rf "$new"; die "could not fetch $1 $2"; }
    mv "$new" "$folder" 2>/dev/null || rm -rf "$new" # somebody else was quicker
  fi
}

# Quick to build rather than quick to run: 70 s on two cores, and it runs for half a second.
tool_deny() {
  fetch cargo-deny 0.20.2 env -u CARGO_TARGET_DIR CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 cargo install --quiet --locked --root . cargo-deny@0.20.2
  PATH=$folder/bin:$PATH
}

tool_typos() {
  if python3 -m pip --version >/dev/null 2>&1; then
    fetch typos 1.52.0 env PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check \
      --no-deps --only-binary :all: --target . typos==1.52.0
  else
    fetch typos 1.52.0 cargo install --quiet --locked --root . typos-cli@1.52.0
  fi
  PATH=$folder/bin:$PATH
}

tool_stylua() {
  if has npm; then
    fetch stylua 2.5.2 npm install --silent --ignore-scripts --no-audit --no-fund --prefix . @johnnymorganz/stylua-bin@2.5.2
    PATH=$folder/node_modules/.bin:$PATH
  else
    fetch stylua 2.5.2 cargo install --quiet --locked --root . --features luajit stylua@2.5.2
    PATH=$folder/bin:$PATH
  fi
}

# Debian's packages, unpacked and not installed: that needs no root.
tool_luacheck() {
  if has luacheck; then return; fi
  has apt-get || die "luacheck is missing: install it, or run on Debian or Ubuntu, where this script fetches it"
  fetch luacheck debian unpack_debian luajit lua-check lua-argparse lua-filesystem
  luacheck() {
    LUA_PATH="$folder/usr/share/lua/5.1/?.lua;$folder/usr/share/lua/5.1/?/init.lua" \
      LUA_CPATH="$(echo "$folder"/usr/lib/*/lua/5.1)/?.so" "$folder/usr/bin/luajit" "$folder/usr/bin/luacheck" "$@"
  }
}

unpack_debian() {
  if [ "$(id -u)" = 0 ] && ! apt-cache show "$1" >/dev/null 2>&1; then
    apt-get update -qq
  fi
  apt-get download -qq "$@" 2>/dev/null || die "cannot download $*: run 'apt-get update' as root first"
  local package
  for package in *.deb; do dpkg-deb -x "$package" .; done
  rm -- *.deb
}

# ------------------------------------------------------------------- main

has cargo || die "cargo is missing: install Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) or newer with rustup"

case ${1-} in
  "") set -- $all ;;
  portable) set -- $portable ;;
esac
for step; do
  [ "$(type -t "step_$step")" = function ] || die "there is no step '$step'; the first lines of this file list them"
done

report=""
for step; do
  printf '\n== %s\n' "$step"
  begin=$SECONDS
  # A subshell of its own and no condition around it: `set -e` would not hold inside one.
  set +e
  (set -e; "step_$step")
  status=$?
  set -e
  took=$((SECONDS - begin))
  if [ $status -ne 0 ]; then
    printf '\nFAILED: %s (status %d, %d s). To run it alone: tests/run.sh %s\n' "$step" $status $took "$step"
    exit 1
  fi
  report="$report$(printf '%-8s %4d s' "$step" $took)
"
done
printf '\n== passed\n%s%-8s %4d s\n' "$report" total $SECONDS
