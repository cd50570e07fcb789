-- A line of a chat that may change after it was written, and what is folded below it.
local words = require('pillion.text')

local M = {}

---@class pillion.Line
---@field call pillion.Call? what it stands for
---@field private chat pillion.Chat
---@field private text string? nothing if the call says it
---@field private parent pillion.Line? the one it is folded below
---@field private depth integer how many are above it
---@field private details string[] what is folded below it, before the lines of others
---@field private shown integer how many of these are in the buffer
---@field private height integer how many lines are below it in all
---@field private mark integer? once it was written
local Line = {}
Line.__index = Line

local namespace = vim.api.nvim_create_namespace('pillion.chat')

local highlights = {
  waiting = 'DiagnosticWarn',
  failed = 'DiagnosticError',
  denied = 'DiagnosticWarn',
  running = 'Special',
}

---@param chat pillion.Chat
---@param text string?
---@param call pillion.Call?
---@param parent pillion.Line?
---@return pillion.Line
function M.new(chat, text, call, parent)
  return setmetatable({
    chat = chat,
    text = text,
    call = call,
    parent = parent,
    depth = parent and parent.depth + 1 or 0,
    details = {},
    shown = 0,
    height = 0,
  }, Line)
end

-- The mark of a chat's line, as |nvim_buf_get_extmarks()| numbers it.
---@param buf integer
---@param row integer from 0
---@return integer?
function M.mark_at(buf, row)
  local found = vim.api.nvim_buf_get_extmarks(buf, namespace, { row, 0 }, { row, -1 }, { limit = 1 })
  return found[1] and found[1][1]
end

---@return string
function Line:highlight()
  return self.call and highlights[self.call.state] or 'Comment'
end

---@return string
function Line:content()
  local text = (self.text or words.call(self.call)):gsub('\n', ' ')
  return ('  '):rep(self.depth) .. text
end

---@return integer? row from 0
function Line:row()
  local at = self.mark and vim.api.nvim_buf_get_extmark_by_id(self.chat.buf, namespace, self.mark, {})
  return at and at[1]
end

---@private
---@param row integer from 0
function Line:paint(row)
  self.mark = vim.api.nvim_buf_set_extmark(self.chat.buf, namespace, row, 0, {
    id = self.mark,
    end_row = row,
    end_col = #vim.api.nvim_buf_get_lines(self.chat.buf, row, row + 1, true)[1],
    hl_group = self:highlight(),
    -- Above tree-sitter's.
    priority = 200,
  })
end

-- Says where it was written.
---@param row integer from 0
---@return integer mark
function Line:place(row)
  self:paint(row)
  return self.mark
end

---@private
---@param count integer
function Line:grow(count)
  local line = self ---@type pillion.Line?
  while line do
    line.height = line.height + count
    line = line.parent
  end
end

-- Writes it below its parent, behind what is there already.
---@return integer? row from 0; nothing if the parent is gone
function Line:insert()
  local above = self.parent:row()
  if not above then
    return nil
  end
  self.parent:begin_fold(above)
  local row = above + self.parent.height + 1
  self.chat.folds:splice(row + 1, 0, { tostring(self.depth) })
  vim.api.nvim_buf_set_lines(self.chat.buf, row, row, true, { self:content() })
  self.parent:grow(1)
  return row
end

---@private
---@param row integer from 0
function Line:begin_fold(row)
  self.chat.folds:set(row + 1, '>' .. self.depth + 1)
end

-- Shows its text and its details as they are now.
function Line:show()
  local row = self:row()
  if not row then
    return
  end
  local buf = self.chat.buf
  if #self.details > 0 then
    self:begin_fold(row)
  end
  local level = tostring(self.depth + 1)
  local levels = vim.tbl_map(function()
    return level
  end, self.details)
  self.chat.folds:splice(row + 2, self.shown, levels)
  if self.shown > 0 or #self.details > 0 then
    vim.api.nvim_buf_set_lines(buf, row + 1, row + 1 + self.shown, true, self.details)
  end
  self:grow(#self.details - self.shown)
  self.shown = #self.details
  local old = vim.api.nvim_buf_get_lines(buf, row, row + 1, true)[1]
  vim.api.nvim_buf_set_text(buf, row, 0, row, #old, { self:content() })
  self:paint(row)
end

-- Shows it anew, soon: with another text, or with what its call has become.
---@param text string? one line
---@param details string[]? what is folded below it; as before when absent
function Line:set(text, details)
  self.text, self.details = text, details or self.details
  self.chat:touch(self)
end

return M
