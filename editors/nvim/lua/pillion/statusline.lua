-- What happens, in a few words for a statusline.
local M = {}

-- Empty while Pillion was not used; else for example `pillion: writing` or `pillion: 2 wait for you`.
---@return string
function M.text()
  if not package.loaded['pillion.session'] then
    return ''
  end
  local waiting = #require('pillion.approval').queue.all + #require('pillion.question').queue.all
  if waiting > 0 then
    return waiting == 1 and 'pillion: 1 waits for you' or ('pillion: %d wait for you'):format(waiting)
  end
  local running, doing, known = 0, nil, false
  for _, session in ipairs(require('pillion.session').all()) do
    known = true
    if session.turn then
      running, doing = running + 1, session.doing
    end
  end
  if running > 1 then
    return ('pillion: %d turns'):format(running)
  elseif running == 1 then
    return 'pillion: ' .. (doing or 'working')
  end
  return known and 'pillion' or ''
end

-- For the statusline of a chat's window: what it is about, what its own turn does, and what it took so far.
---@return string
function M.chat()
  local chat = require('pillion.chat').of(vim.api.nvim_get_current_buf())
  if not chat then
    return ''
  end
  local session = chat.session
  local text = require('pillion.text')
  local title = text.cut(session.title ~= '' and session.title or 'Pillion', 32)
  local parts = { session.turn and ('%s (%s)'):format(title, session.doing or 'working') or title }
  vim.list_extend(parts, { (session.model:gsub('^.*/', '')), session.mode })
  if session.context and session.context.share then
    table.insert(parts, ('%d%% full'):format(math.floor(session.context.share * 100 + 0.5)))
  end
  local cost = text.sum(session.cost, session.usage and session.usage.cost)
  if cost then
    table.insert(parts, text.cost(cost))
  end
  return table.concat(parts, ' · ')
end

local pending = false

-- Redraws, and tells statuslines that redraw by themselves through the event `User PillionStatus`.
function M.changed()
  if pending then
    return
  end
  pending = true
  vim.schedule(function()
    pending = false
    vim.api.nvim_exec_autocmds('User', { pattern = 'PillionStatus', modeline = false })
    vim.cmd.redrawstatus({ bang = true })
  end)
end

return M
