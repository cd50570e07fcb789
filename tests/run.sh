#!/usr/bin/env bash
# tests/run.sh               every test, as CI runs it
# tests/run.sh portable      the part that needs nothing but Rust: fmt clippy test doc examples ride
# tests/run.sh STEP...       single steps: fmt clippy test doc examples ride otel deny typos lua nvim acp plain vscode
#                            serve; and msrv and smooth, which no set includes
#
# Programs that are missing are fetched once, at fixed versions, into PILLION_TOOLS (else the user's cache folder);
# the system itself is not changed. CARGO_TARGET_DIR is respected. Bash 3.2 is enough.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=${PILLION_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/pillion-tools}
portable="fmt clippy test doc examples ride"
all="$portable otel deny typos lua nvim acp plain vscode serve"

# ------------------------------------------------------------------ steps

step_fmt() {
  cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
  cargo fmt --all --check
}

step_clippy() {
  cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
  cargo clippy --locked --all-targets --all-features -- -D warnings
  # The core, as those who build on it may have it.
  cargo clippy --locked --lib --examples --no-default-features -- -D warnings
}

# Generated files are checked here too: a test writes each anew and fails if that changed it.
step_test() {
  if has cargo-nextest; then
    cargo nextest run --locked
  else
    cargo test --locked --lib --bins --tests
  fi
}

# The optional export to a collector, which nothing else is built with.
step_otel() {
  cargo test --locked --features otel --test otel
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
  stylua --check --config-path editors/nvim/.stylua.toml editors/nvim tests/nvim tests/plain
  luacheck --quiet --no-color --config editors/nvim/.luacheckrc editors/nvim tests/nvim tests/plain
}

step_nvim() {
  build_pillion
  tests/nvim/run.sh "$pillion" "$tools/nvim"
}

# The extension: types, lint, package; then the package in the real workbench. Screens go to the cache, to be looked at.
step_vscode() {
  tool_node
  tool_code_server
  tool_chromium
  build_pillion
  editors/package.sh
  export CHROMIUM=$chromium
  node tests/vscode/view.mjs "$code_server" editors/vscode/dist/webview
  mkdir -p "$tools/vscode-screens"
  node tests/vscode/suite.mjs "$pillion" editors/vscode/pillion.vsix "$code_server" "$tools/vscode-screens"
}

# How smooth the chat of VS Code stays, in figures of this machine.
step_smooth() {
  tool_node
  tool_code_server
  tool_chromium
  editors/package.sh
  CHROMIUM=$chromium node tests/vscode/smooth.mjs "$code_server" editors/vscode/dist/webview
}

build_pillion() {
  local target
  target=$(cargo metadata --locked --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
  cargo build --locked --bin pillion
  pillion=$target/debug/pillion
}

# Clients without a plugin: pytest-lsp, Emacs, Helix.
step_plain() {
  build_pillion
  tests/plain/run.sh "$pillion" "$tools/plain"
}

# Clients of the Agent Client Protocol.
step_acp() {
  build_pillion
  tests/acp/run.sh "$pillion" "$tools/acp"
}

# Clients of `pillion serve` that are not ours: Python, Node, curl, and bare frames.
step_serve() {
  tool_node
  tool_websockets
  build_pillion
  tests/clients/run.sh "$pillion" "$websockets"
}

# The oldest Rust that Cargo.toml promises.
step_msrv() {
  local version
  version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  rustup toolchain install "$version" --profile minimal --no-self-update
  cargo "+$version" check --locked --all-targets --all-features
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

tool_websockets() {
  python3 -m pip --version >/dev/null 2>&1 || die "python3 with pip is missing, which is needed for the Python client"
  fetch websockets 15.0.1 env PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check \
    --no-deps --only-binary :all: --target . websockets==15.0.1
  websockets=$folder
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

# code-server's native modules are for exactly this Node. Its npm is the machine's own.
tool_node() {
  has npm || die "npm is missing: install Node 20 or newer"
  fetch node 24.21.0 unpack_node
  export PATH=$folder/bin:$PATH npm_config_nodedir=$folder
}

unpack_node() {
  npm pack --silent "node-$(uname -s | tr '[:upper:]' '[:lower:]')-$(node -p process.arch)@24.21.0" >/dev/null
  tar -xzf ./*.tgz --strip-components=1
  rm -- *.tgz
}

# The workbench and its extension host, and what drives a browser.
tool_code_server() {
  fetch code-server 4.139.1 install_code_server
  code_server=$folder
}

install_code_server() {
  echo '{"private":true}' >package.json
  # Its own installer builds every native module; two are needed here, and the others come built or are never loaded.
  npm install --silent --ignore-scripts --no-audit --no-fund code-server@4.139.1 playwright-core@1.65.1
  cd node_modules/code-server/lib/vscode
  npm install --silent --omit=dev --ignore-scripts --no-audit --no-fund
  npm rebuild --silent @vscode/spdlog @vscode/native-watchdog
  cd extensions
  npm install --silent --omit=dev --ignore-scripts --no-audit --no-fund
}

# Any Chromium of the machine will do; else the one that npm has for machines without a desktop, with its libraries.
tool_chromium() {
  for chromium in chromium chromium-browser google-chrome; do
    if has $chromium; then
      chromium=$(command -v $chromium)
      return
    fi
  done
  fetch chromium 153.0.0 install_chromium
  export LD_LIBRARY_PATH=$folder/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  chromium=$folder/chromium
  "$chromium" --version >/dev/null || die "Chromium cannot be run here: install the package chromium"
}

install_chromium() {
  npm pack --silent @sparticuz/chromium@153.0.0 >/dev/null
  tar -xzf ./*.tgz
  local name
  for name in chromium al2023.tar swiftshader.tar; do
    node -e 'process.stdout.write(zlib.brotliDecompressSync(fs.readFileSync(process.argv[1])))' "package/bin/$name.br" >$name
  done
  tar -xf al2023.tar
  tar -xf swiftshader.tar
  chmod +x chromium
  rm -r package ./*.tar ./*.tgz
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
