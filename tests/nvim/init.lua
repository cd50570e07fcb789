-- The seat of whoever tests; what a person's own init.lua would hold is in the file CASE_INIT.
vim.o.shortmess = vim.o.shortmess .. 'I'

-- How many keys have arrived, so that whoever types can wait for it.
_G.keys_arrived = 0
vim.on_key(function(_, typed)
  _G.keys_arrived = _G.keys_arrived + #(typed or '')
end)

-- Nobody is left at the keyboard once the suite is gone, however it ended.
assert(vim.uv.new_timer()):start(
  1000,
  1000,
  vim.schedule_wrap(function()
    if vim.uv.kill(assert(tonumber(vim.env.SUITE_PID)), 0) ~= 0 then
      vim.cmd('qall!')
    end
  end)
)

dofile(vim.env.CASE_INIT)
