-- A call's input in a buffer of its own: writing it allows the call with what it then says.
local approval = require('pillion.approval')
local client = require('pillion.client')
local json = require('pillion.json')

local M = {}

---@param waiting pillion.Waiting
---@param buf integer
local function accept(waiting, buf)
  local input, err = json.decode(vim.api.nvim_buf_get_lines(buf, 0, -1, true))
  if type(input) ~= 'table' then
    client.notify('not a JSON object, so nothing was answered: ' .. (err or vim.inspect(input)))
    return
  end
  vim.bo[buf].modified = false
  vim.api.nvim_buf_delete(buf, { force = true })
  approval.answer(waiting, { type = 'allow', scope = 'once', input = input })
end

---@param waiting pillion.Waiting
function M.open(waiting)
  local name = ('pillion://approval/%s.json'):format(waiting.approval.approvalId)
  waiting.put_off = true
  local lines = json.lines(waiting.approval.input)
  local buf = vim.fn.bufadd(name)
  vim.fn.bufload(buf)
  vim.bo[buf].buftype, vim.bo[buf].bufhidden, vim.bo[buf].swapfile = 'acwrite', 'wipe', false
  vim.api.nvim_buf_set_lines(buf, 0, -1, true, lines)
  vim.bo[buf].modified = false
  vim.api.nvim_create_autocmd('BufWriteCmd', {
    buffer = buf,
    callback = function()
      accept(waiting, buf)
    end,
  })
  -- The popup makes room, which moves the cursor back to where it was; the split opens there.
  approval.refresh()
  vim.cmd('botright 12split')
  vim.api.nvim_win_set_buf(0, buf)
  vim.bo[buf].filetype = 'json'
  client.notify(':w allows the call with this input; :q! leaves it waiting (:PillionApprovals)', vim.log.levels.INFO)
end

return M
