-- What a person's init.lua would hold: the plugin on the runtime path, and where the binary is.
vim.opt.runtimepath:prepend(vim.env.PLUGIN)
vim.o.statusline = "%f %m %= %{v:lua.require'pillion'.statusline()}"
vim.o.shortmess = vim.o.shortmess .. 'I'
require('pillion').setup({ cmd = { vim.env.PILLION_BINARY, 'lsp' } })
