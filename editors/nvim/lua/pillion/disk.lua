-- Files that were changed behind a buffer's back. 'autoread' reads them again; beyond that nothing is done and, above
-- all, nothing asked: a dialog would take the next key of whoever types.
local client = require('pillion.client')
local text = require('pillion.text')

local M = {}

-- Buffers whose file is newer than what was read, until they are read again or written. Neovim itself says so once, and
-- asks when such a buffer is written.
local outdated = {} ---@type table<integer, true>

local group = vim.api.nvim_create_augroup('pillion.disk', {})
vim.api.nvim_create_autocmd({ 'BufReadPost', 'BufWritePost', 'BufUnload' }, {
  group = group,
  callback = function(args)
    outdated[args.buf] = nil
  end,
})
-- Seen by somebody else, who left what was typed.
vim.api.nvim_create_autocmd('FileChangedShellPost', {
  group = group,
  callback = function(args)
    if vim.v.fcs_reason == 'conflict' and vim.bo[args.buf].modified then
      outdated[args.buf] = true
    end
  end,
})

---@param buf integer
---@return string
local function name(buf)
  return vim.fn.fnamemodify(vim.api.nvim_buf_get_name(buf), ':~:.')
end

---@param buf integer
---@param message string
local function tell(buf, message)
  client.notify(text.brief(message:format(name(buf))), vim.log.levels.WARN)
end

---@param buf integer
local function look(buf)
  local watch = vim.api.nvim_create_autocmd('FileChangedShell', {
    buffer = buf,
    callback = function()
      if vim.v.fcs_reason == 'conflict' or vim.v.fcs_choice == 'ask' then
        vim.v.fcs_choice = ''
      end
      if vim.v.fcs_choice == '' and vim.list_contains({ 'conflict', 'changed' }, vim.v.fcs_reason) then
        outdated[buf] = true
      end
    end,
  })
  -- By number, since without one only buffers in windows are looked at.
  pcall(vim.cmd.checktime, { args = { tostring(buf) }, mods = { silent = true, emsg_silent = true } })
  vim.api.nvim_del_autocmd(watch)
end

-- Reads a buffer again if its file was changed, or tells once why not.
---@param buf integer
function M.refresh(buf)
  local was_outdated = outdated[buf]
  look(buf)
  if outdated[buf] and not was_outdated then
    tell(
      buf,
      vim.bo[buf].modified and '%s has changed on disk too: :edit! reads it, :write! writes over it'
        or "%s has changed on disk: :edit reads it ('autoread' is off)"
    )
  end
end

-- Whether writing a buffer would lose what somebody else has written, of which the person is then told.
---@param buf integer
---@return boolean
function M.conflicts(buf)
  look(buf)
  if outdated[buf] then
    tell(buf, '%s has changed on disk too, so it was not saved. Look at both, then :write! or :edit!')
  end
  return outdated[buf] ~= nil
end

return M
