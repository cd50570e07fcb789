-- What waits for the person, in the order in which it came, each with the request that waits for its answer.
local M = {}

---@class pillion.Waits
---@field id string
---@field session_id string
---@field server pillion.Server
---@field thread thread
---@field put_off boolean

---@class pillion.Queue
---@field all pillion.Waits[]
---@field private changed fun()
local Queue = {}
Queue.__index = Queue

local withdrawn = vim.lsp.protocol.ErrorCodes.RequestCancelled

---@param changed fun() is called when something came or went, or was put off
---@return pillion.Queue
function M.new(changed)
  return setmetatable({ all = {}, changed = changed }, Queue)
end

-- Puts one at the end. Runs in the coroutine that vim.lsp gives a handler, and returns when there is an answer.
---@param one pillion.Waits without its thread
---@return any answer, lsp.ResponseError? err
function Queue:wait(one)
  one.thread, one.put_off = coroutine.running(), false
  table.insert(self.all, one)
  self.changed()
  return coroutine.yield()
end

-- The first that was not put off.
---@return pillion.Waits?
function Queue:first()
  for _, one in ipairs(self.all) do
    if not one.put_off then
      return one
    end
  end
end

---@param one pillion.Waits
---@return boolean
function Queue:has(one)
  return vim.tbl_contains(self.all, one)
end

-- What waits for the same answer: it itself, or the same, asked anew by a server that has come back.
---@param one pillion.Waits
---@return pillion.Waits?
function Queue:current(one)
  for _, other in ipairs(self.all) do
    if other.id == one.id then
      return other
    end
  end
end

-- Hands the person's answer to the server. False if nobody waits for it any more.
---@param one pillion.Waits
---@param answer any
---@param err lsp.ResponseError?
---@return boolean
function Queue:answer(one, answer, err)
  local current = self:current(one)
  if not current then
    return false
  end
  self.all = vim.tbl_filter(function(other)
    return other ~= current
  end, self.all)
  self.changed()
  coroutine.resume(current.thread, answer, err)
  return true
end

-- Withdraws those that `gone` picks: nobody needs their answer any more.
---@param gone fun(one: pillion.Waits): boolean
function Queue:drop(gone)
  for _, one in ipairs(vim.tbl_filter(gone, self.all)) do
    self:answer(one, nil, { code = withdrawn, message = 'withdrawn' })
  end
end

-- It was answered, here or elsewhere, or its turn ended.
---@param id string
function Queue:resolved(id)
  self:drop(function(one)
    return one.id == id
  end)
end

-- It goes on waiting, and nobody is shown it until it is brought back.
---@param one pillion.Waits
function Queue:put_off(one)
  one.put_off = true
  self.changed()
end

function Queue:bring_back()
  for _, one in ipairs(self.all) do
    one.put_off = false
  end
  self.changed()
end

return M
