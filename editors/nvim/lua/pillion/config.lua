-- What a person can set, by `require('pillion').setup`, which need not be called.
local M = {}

M.modes = { 'ask', 'acceptEdits', 'plan', 'auto' }

---@class pillion.Config
---@field cmd string[] the program and its arguments
---@field env table<string, string> added to the program's environment
---@field root fun(buf: integer): string the project a buffer belongs to
---@field chat pillion.ChatConfig
---@field prompt pillion.PromptConfig
---@field changes pillion.ChangesConfig
---@field approval pillion.ApprovalConfig

---@class pillion.ChatConfig
---@field width number columns, or a share of the screen below 1
---@field folded boolean whether reasoning and what calls did start folded

---@class pillion.PromptConfig
---@field height integer lines

---@class pillion.ChangesConfig
---@field signs boolean whether changed places have a sign until they were seen

---@class pillion.ApprovalConfig
---@field focus boolean whether the popup may take the cursor once the person rests in normal mode
---@field idle_ms integer how long without a key counts as resting
---@field guard_ms integer for how long after that a key is still meant for the window it was in before

---@type pillion.Config
local defaults = {
  cmd = { 'pillion', 'lsp' },
  env = {},
  root = function(buf)
    local cwd = vim.fn.getcwd()
    local name = vim.api.nvim_buf_get_name(buf)
    if vim.bo[buf].buftype ~= '' or name == '' then
      return vim.fs.root(cwd, { '.git', '.jj', '.hg' }) or cwd
    end
    local folder = vim.fs.root(name, { '.git', '.jj', '.hg' })
    if folder then
      return folder
    end
    return vim.startswith(name, cwd .. '/') and cwd or vim.fs.dirname(name)
  end,
  chat = { width = 0.42, folded = true },
  prompt = { height = 5 },
  changes = { signs = true },
  -- Chosen by hand: a pause of a second is no longer a burst of keys, and nobody reacts to a popup within 0.4 s.
  approval = { focus = true, idle_ms = 1000, guard_ms = 400 },
}

---@type pillion.Config
M.options = vim.deepcopy(defaults)

---@param options table? any part of |pillion.Config|
function M.set(options)
  local merged = vim.tbl_deep_extend('force', vim.deepcopy(defaults), options or {})
  for key, value in pairs(merged) do
    local default = defaults[key]
    if default == nil then
      error(('pillion: there is no option %q; see :help pillion-config'):format(key), 0)
    elseif type(value) ~= type(default) then
      error(('pillion: option %q must be a %s; see :help pillion-config'):format(key, type(default)), 0)
    end
  end
  M.options = merged
end

return M
