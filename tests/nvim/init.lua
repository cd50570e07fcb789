-- What a person's init.lua would hold: the plugin on the runtime path, and where the binary is.
vim.opt.runtimepath:prepend(vim.env.PLUGIN)
vim.o.statusline = "%f %m %= %{v:lua.require'pillion'.statusline()}"
vim.o.shortmess = vim.o.shortmess .. 'I'

-- How many keys have arrived, so that whoever types can wait for it.
_G.keys_arrived = 0
vim.on_key(function(_, typed)
  _G.keys_arrived = _G.keys_arrived + #(typed or '')
end)

require('pillion').setup({ cmd = { vim.env.PILLION_BINARY, 'lsp' } })
