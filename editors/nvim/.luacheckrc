std = 'luajit'
cache = false
max_line_length = 120
-- `vim` is Neovim's; its option tables are assigned to.
globals = { 'vim' }

-- Generated, with the protocol's own lines.
files["**/protocol.lua"] = { max_line_length = false }
