-- The calls that wait for the person, in the order they came. The popup shows the first that was not put off.
local attention = require('pillion.attention')
local client = require('pillion.client')

local M = {}

---@class pillion.Waiting a call that waits, and the request whose answer waits with it
---@field approval pillion.Approval
---@field server pillion.Server
---@field thread thread
---@field put_off boolean
---@field chosen boolean[] which hunks are to be made, by index from 1

---@type pillion.Waiting[]
local queue = {}

local withdrawn = vim.lsp.protocol.ErrorCodes.RequestCancelled

---@return pillion.Waiting?
local function first()
  for _, waiting in ipairs(queue) do
    if not waiting.put_off then
      return waiting
    end
  end
end

-- Shows what is to be shown now.
function M.refresh()
  if package.loaded['pillion.review'] then
    require('pillion.review').sync(function(waiting)
      return vim.tbl_contains(queue, waiting)
    end)
  end
  attention.watch('approval', #queue > 0)
  require('pillion.popup').show(first(), #queue)
  require('pillion.statusline').changed()
end

---@param waiting pillion.Waiting
local function remove(waiting)
  queue = vim.tbl_filter(function(other)
    return other ~= waiting
  end, queue)
end

---@param waiting pillion.Waiting
---@param decision pillion.ApprovalDecision?
---@param err lsp.ResponseError?
local function resume(waiting, decision, err)
  remove(waiting)
  M.refresh()
  coroutine.resume(waiting.thread, decision, err)
end

-- Asks the person. Runs in the coroutine that vim.lsp gives a request's handler, and returns when there is an answer.
---@param server pillion.Server
---@param approval pillion.Approval
---@return pillion.ApprovalDecision? decision, lsp.ResponseError? err
function M.ask(server, approval)
  local waiting = {
    approval = approval,
    server = server,
    thread = coroutine.running(),
    put_off = false,
    chosen = {},
  }
  for index in ipairs(approval.diff and approval.diff.hunks or {}) do
    waiting.chosen[index] = true
  end
  table.insert(queue, waiting)
  M.refresh()
  return coroutine.yield()
end

-- Hands the person's answer to the server.
---@param waiting pillion.Waiting
---@param decision pillion.ApprovalDecision
function M.answer(waiting, decision)
  if vim.tbl_contains(queue, waiting) then
    resume(waiting, decision)
  else
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
  waiting.put_off = true
  M.refresh()
  client.notify(':PillionApprovals brings it back; the turn waits', vim.log.levels.INFO)
end

-- Withdraws those that `gone` picks: nobody needs their answer any more.
---@param gone fun(waiting: pillion.Waiting): boolean
function M.drop(gone)
  for _, waiting in ipairs(vim.tbl_filter(gone, queue)) do
    resume(waiting, nil, { code = withdrawn, message = 'withdrawn' })
  end
end

-- It was answered, here or elsewhere, or its turn ended.
---@param approval_id string
function M.resolved(approval_id)
  M.drop(function(waiting)
    return waiting.approval.approvalId == approval_id
  end)
end

---@return integer
function M.count()
  return #queue
end

-- Brings back what was put off and goes there: calls first, then questions.
function M.open()
  if #queue == 0 then
    if not require('pillion.question').open() then
      client.notify('nothing waits for an answer', vim.log.levels.INFO)
    end
    return
  end
  for _, waiting in ipairs(queue) do
    waiting.put_off = false
  end
  M.refresh()
  require('pillion.popup').focus()
end

return M
