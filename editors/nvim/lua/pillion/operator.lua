-- Asking about what a motion covers; see |:map-operator|.
local M = {}

-- What a mapping with <expr> types.
---@return string
function M.start()
  vim.o.operatorfunc = "v:lua.require'pillion.operator'.ask"
  return 'g@'
end

-- The 'operatorfunc'.
function M.ask()
  local range = { first = vim.fn.line("'["), last = vim.fn.line("']") }
  -- A window cannot be opened for typing within an operator.
  vim.schedule(function()
    require('pillion').ask('', { range = range })
  end)
end

return M
