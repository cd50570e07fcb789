-- Where the person's hands are: a popup must not take a key that was meant for something else.
local M = {}

local namespace = vim.api.nvim_create_namespace('pillion.attention')
local last_key = 0
local reasons = {} ---@type table<string, boolean>

-- Listens for keys while there is a reason to.
---@param reason string
---@param needed boolean
function M.watch(reason, needed)
  local was = next(reasons) ~= nil
  reasons[reason] = needed or nil
  local is = next(reasons) ~= nil
  if is and not was then
    last_key = vim.uv.now()
    vim.on_key(function()
      last_key = vim.uv.now()
    end, namespace)
  elseif was and not is then
    vim.on_key(nil, namespace)
  end
end

-- Whether the person rests in an ordinary window in normal mode.
---@param idle_ms integer without a key for this long
---@return boolean
function M.is_resting(idle_ms)
  local mode = vim.api.nvim_get_mode()
  return mode.mode == 'n'
    and not mode.blocking
    and vim.fn.getcmdwintype() == ''
    and vim.fn.reg_recording() == ''
    and vim.api.nvim_win_get_config(0).relative == ''
    and vim.uv.now() - last_key >= idle_ms
end

return M
