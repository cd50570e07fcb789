-- How deep each line of a chat is folded: the model's reasoning, and what belongs to a call below its line.
local M = {}

---@class pillion.Folds the levels as 'foldexpr' has them, by line from 1
---@field private levels string[]
local Folds = {}
Folds.__index = Folds

---@return pillion.Folds
function M.new()
  return setmetatable({ levels = { '0' } }, Folds)
end

---@param line integer from 1
---@return string
function Folds:level(line)
  return self.levels[line] or '0'
end

---@param line integer from 1
---@param level string
function Folds:set(line, level)
  self.levels[line] = level
end

-- Puts other lines in the place of some; to be called right before the buffer's are replaced.
---@param first integer from 1
---@param removed integer how many lines go
---@param added string[] the levels of those that come
function Folds:splice(first, removed, added)
  local tail = vim.list_slice(self.levels, first + removed)
  for index = #self.levels, first, -1 do
    self.levels[index] = nil
  end
  vim.list_extend(self.levels, added)
  vim.list_extend(self.levels, tail)
end

-- The 'foldexpr' of a chat.
---@return string
function M.level()
  local chat = require('pillion.chat').of(vim.api.nvim_get_current_buf())
  return chat and chat.folds:level(vim.v.lnum) or '0'
end

---@param count integer
---@return string
local function lines(count)
  return ('%d %s'):format(count, count == 1 and 'line' or 'lines')
end

-- What a closed fold shows. It is not wrapped, so that what is below it is told where there is room, the way to it too.
---@param head string
---@param count integer lines below it
---@return string head, string tail
local function fitted(head, count)
  local width = vim.api.nvim_win_get_width(0)
  local short = '  ▸ ' .. lines(count)
  for _, tail in ipairs({ short .. ', Tab opens', short }) do
    if vim.fn.strdisplaywidth(head .. tail) <= width then
      return head, tail
    end
  end
  return require('pillion.text').cut(head, width - vim.fn.strdisplaywidth(short)), short
end

-- The 'foldtext' of a chat: a call stays as it is, and says how much is below it.
---@return string[][] chunks of text and highlight
function M.text()
  local chat = require('pillion.chat').of(vim.api.nvim_get_current_buf())
  local count = vim.v.foldend - vim.v.foldstart + 1
  local line = chat and chat:line_at(vim.v.foldstart)
  if line then
    local head, tail = fitted(vim.fn.getline(vim.v.foldstart), count - 1)
    return { { head, line:highlight() }, { tail, 'NonText' } }
  end
  local head, tail = fitted('· Thinking', count)
  return { { head .. tail, 'Comment' } }
end

return M
