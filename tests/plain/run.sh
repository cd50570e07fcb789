#!/usr/bin/env bash
# run.sh PILLION_BINARY CACHE_FOLDER [PYTEST_ARGUMENT...]    clients without a plugin, real ones, against the real
# binary
# and a scripted model: any LSP client (pytest-lsp), Emacs with eglot, Helix in a terminal, Neovim without the plugin.
#
# Screens as a person sees them go to CACHE_FOLDER/screens.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
binary=$(realpath "$1")
cache=$(realpath -m "$2")
shift 2
"$here/install.sh" "$cache"
neovim=$(dirname "$cache")/nvim
"$here/../nvim/install.sh" "$neovim" 0.11
mkdir -p "$cache/screens"
# tmux, where the machine has none.
PATH=$PATH:$neovim/bin
cd "$here"
PILLION_BINARY=$binary PLAIN_TOOLS=$cache PLAIN_NEOVIM=$neovim/bin/nvim-0.11 PYTHONDONTWRITEBYTECODE=1 \
  exec "$cache/bin/pytest" -q -p no:cacheprovider -c pytest.ini "$@"
