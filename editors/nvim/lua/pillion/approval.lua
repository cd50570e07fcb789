-- The calls that wait for the person, in the order they came. The popup shows the first that was not put off.
local attention = require('pillion.attention')
local client = require('pillion.client')
local queue = require('pillion.queue')

local M = {}

---@class pillion.Waiting: pillion.Waits a call that waits
---@field approval pillion.Approval
---@field chosen boolean[] which hunks are to be made, by index from 1

M.queue = queue.new(function()
  M.refresh()
end)

-- Shows what is to be shown now.
function M.refresh()
  if package.loaded['pillion.review'] then
    require('pillion.review').sync(function(waiting)
      return M.queue:has(waiting)
    end)
  end
  attention.watch('approval', #M.queue.all > 0)
  require('pillion.popup').show(M.queue:first() --[[@as pillion.Waiting?]], #M.queue.all)
  require('pillion.statusline').changed()
end

-- Asks the person, and returns when there is an answer.
---@param server pillion.Server
---@param approval pillion.Approval
---@return pillion.ApprovalDecision? decision, lsp.ResponseError? err
function M.ask(server, approval)
  local chosen = {}
  for index in ipairs(approval.diff and approval.diff.hunks or {}) do
    chosen[index] = true
  end
  local id, session_id = approval.approvalId, approval.sessionId
  return M.queue:wait({ id = id, session_id = session_id, server = server, approval = approval, chosen = chosen })
end

-- Hands the person's answer to the server.
---@param waiting pillion.Waiting
---@param decision pillion.ApprovalDecision
function M.answer(waiting, decision)
  if not M.queue:answer(waiting, decision) then
    client.notify('this call no longer waits for an answer', vim.log.levels.INFO)
  end
end

---@param waiting pillion.Waiting
---@param scope pillion.ApprovalScope
local function allow(waiting, scope)
  local hunks = require('pillion.diff').chosen(waiting.chosen)
  if hunks and #hunks == 0 then
    client.notify('no hunk is chosen; h chooses one, d denies all', vim.log.levels.WARN)
    return
  end
  M.answer(waiting, { type = 'allow', scope = scope, hunks = hunks })
end

-- The answers, by the keys that give them wherever a call is shown.
---@param waiting pillion.Waiting
---@return table<string, fun()>
function M.actions(waiting)
  local actions = {
    d = function()
      M.answer(waiting, { type = 'deny' })
    end,
    r = function()
      vim.ui.input({ prompt = 'Why not? ' }, function(reason)
        if reason then
          M.answer(waiting, { type = 'deny', reason = reason ~= '' and reason or nil })
        end
      end)
    end,
    c = function()
      M.answer(waiting, { type = 'cancelTurn' })
    end,
  }
  for key, scope in pairs({ a = 'once', s = 'session', p = 'project', u = 'user' }) do
    actions[key] = function()
      allow(waiting, scope)
    end
  end
  return actions
end

-- Puts one off; it goes on waiting.
---@param waiting pillion.Waiting
function M.put_off(waiting)
  M.queue:put_off(waiting)
  client.notify(':PillionApprovals brings it back; the turn waits', vim.log.levels.INFO)
end

-- Brings back what was put off and goes there: calls first, then questions.
function M.open()
  if #M.queue.all == 0 then
    if not require('pillion.question').open() then
      client.notify('nothing waits for an answer', vim.log.levels.INFO)
    end
    return
  end
  M.queue:bring_back()
  require('pillion.popup').focus()
end

return M
