std = 'luajit'
cache = false
max_line_length = 120
-- `vim` is Neovim's; its option tables are assigned to.
globals = { 'vim' }
-- Generated; its comments are as long as those they come from.
files['**/protocol.lua'] = { max_line_length = false }
