-- A chat's buffer: Markdown that grows at its end. Writes are collected and shown about forty times a second, however
-- fast they come.
local fold = require('pillion.fold')
local lines = require('pillion.line')

local M = {}

---@class pillion.Chat
---@field buf integer
---@field session pillion.Session
---@field folds pillion.Folds
---@field private kind string? of what was written last
---@field private pending { kind: string, text: string, line: pillion.Line? }[]
---@field private dirty table<pillion.Line, true>
---@field private scheduled boolean
---@field private lines table<integer, pillion.Line> by their marks
---@field private drafts pillion.Draft[] what may still be withdrawn
local Chat = {}
Chat.__index = Chat

---@class pillion.Draft a piece of what the model is saying: from one mark to another, or to the end
---@field first integer
---@field last integer?
---@field before string? the kind of what stands before it

local FLUSH_MS = 25
local namespace = vim.api.nvim_create_namespace('pillion.drafts')
local chats = {} ---@type table<integer, pillion.Chat>

-- What runs together with more of its kind.
local joined = { answer = true, reasoning = true }

-- A name as tablines and winbars show it whole. It is not that of a file: a `nofile` buffer is never written.
---@return string
local function unused_name()
  local name, number = 'Pillion chat', 1
  while vim.fn.bufexists(name) == 1 do
    number = number + 1
    name = ('Pillion chat %d'):format(number)
  end
  return name
end

---@param session pillion.Session
---@return pillion.Chat
function M.new(session)
  local buf = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(buf, unused_name())
  local options = vim.bo[buf]
  options.buftype, options.bufhidden, options.swapfile = 'nofile', 'hide', false
  options.undolevels, options.modifiable = -1, false
  local self = setmetatable({
    buf = buf,
    session = session,
    folds = fold.new(),
    pending = {},
    dirty = {},
    scheduled = false,
    lines = {},
    drafts = {},
  }, Chat)
  chats[buf] = self
  vim.treesitter.language.register('markdown', 'pillion')
  options.filetype = 'pillion'
  require('pillion.markdown').highlight(buf)
  require('pillion.chat_window').prepare(self)
  vim.api.nvim_create_autocmd('BufUnload', {
    buffer = buf,
    once = true,
    callback = function()
      chats[buf] = nil
      if vim.v.exiting == vim.NIL then
        session:close()
      end
    end,
  })
  return self
end

---@param buf integer
---@return pillion.Chat?
function M.of(buf)
  return chats[buf]
end

-- Adds to what is written, in a block of its own if the kind is another than before. Prompts never run together.
---@param kind 'prompt'|'answer'|'reasoning'
---@param text string
function Chat:write(kind, text)
  self:enqueue({ kind = kind, text = (text:gsub('\r', '')) })
end

-- Takes back what the model has said since [Chat:keep].
function Chat:withdraw()
  self:enqueue({ kind = 'withdraw', text = '' })
end

-- What the model has said so far stays.
function Chat:keep()
  self:enqueue({ kind = 'keep', text = '' })
end

---@param text string? one line; what it stands for says it when absent
---@param call pillion.Call? what it stands for
---@param parent pillion.Line? the line it is folded below
---@return pillion.Line
function Chat:line(text, call, parent)
  local line = lines.new(self, text, call, parent)
  self:enqueue({ kind = parent and 'child' or 'line', text = '', line = line })
  return line
end

-- Shows a line anew, soon.
---@param line pillion.Line
function Chat:touch(line)
  self.dirty[line] = true
  self:flush_soon()
end

---@private
---@param entry { kind: string, text: string, line: pillion.Line? }
function Chat:enqueue(entry)
  table.insert(self.pending, entry)
  self:flush_soon()
end

---@private
function Chat:flush_soon()
  if not self.scheduled then
    self.scheduled = true
    vim.defer_fn(function()
      self.scheduled = false
      self:flush()
    end, FLUSH_MS)
  end
end

---@private
---@return integer[] windows that show the end, and go on showing it
function Chat:followers()
  local last = vim.api.nvim_buf_line_count(self.buf)
  return vim.tbl_filter(function(window)
    return vim.api.nvim_win_get_cursor(window)[1] == last
  end, vim.fn.win_findbuf(self.buf))
end

---@private
---@return integer row, integer column of the end, from 0
function Chat:ending()
  local row = vim.api.nvim_buf_line_count(self.buf) - 1
  return row, #vim.api.nvim_buf_get_lines(self.buf, row, row + 1, true)[1]
end

function Chat:flush()
  if not vim.api.nvim_buf_is_loaded(self.buf) then
    return
  end
  local followers = self:followers()
  local pending, dirty = self.pending, self.dirty
  self.pending, self.dirty = {}, {}
  vim.bo[self.buf].modifiable = true
  local from = 1
  while from <= #pending do
    local entry, texts = pending[from], { pending[from].text }
    local to = from + 1
    while joined[entry.kind] and to <= #pending and pending[to].kind == entry.kind do
      table.insert(texts, pending[to].text)
      to = to + 1
    end
    if entry.kind == 'withdraw' then
      self:take_back()
    elseif entry.kind == 'keep' then
      self.drafts = {}
    elseif entry.line then
      self:put_line(entry.line, entry.kind)
      if dirty[entry.line] then
        -- Nothing stands below it yet that would have to move.
        dirty[entry.line] = nil
        entry.line:show()
      end
    else
      self:put(entry.kind, table.concat(texts))
    end
    from = to
  end
  for line in pairs(dirty) do
    line:show()
  end
  vim.bo[self.buf].modifiable = false
  local row, column = self:ending()
  for _, window in ipairs(followers) do
    pcall(vim.api.nvim_win_set_cursor, window, { row + 1, column })
  end
end

-- What stands between the last block and one of this kind.
---@private
---@param kind string
---@return string
function Chat:separator(kind)
  local before = self.kind
  if not before or (kind == before and kind ~= 'prompt' and kind ~= 'line') then
    return ''
  elseif kind == 'line' and before == 'line' then
    return '\n'
  end
  local last = vim.api.nvim_buf_get_lines(self.buf, -3, -1, false)
  local gap = last[#last] ~= '' and '\n\n' or (last[#last - 1] ~= '' and '\n' or '')
  return before == 'prompt' and kind ~= 'prompt' and gap .. '## Pillion\n\n' or gap
end

---@private
---@param row integer
---@param column integer
---@return integer
function Chat:mark(row, column)
  return vim.api.nvim_buf_set_extmark(self.buf, namespace, row, column, { right_gravity = false })
end

---@private
---@param mark integer
---@return integer row, integer column
function Chat:place_of(mark)
  local at = vim.api.nvim_buf_get_extmark_by_id(self.buf, namespace, mark, {})
  return at[1], at[2]
end

---@private
function Chat:take_back()
  for index = #self.drafts, 1, -1 do
    local draft = self.drafts[index]
    local row, column = self:place_of(draft.first)
    local last_row, last_column = self:ending()
    if draft.last then
      last_row, last_column = self:place_of(draft.last)
    else
      self.kind = draft.before
    end
    self.folds:splice(row + 2, last_row - row, {})
    vim.api.nvim_buf_set_text(self.buf, row, column, last_row, last_column, { '' })
  end
  self.drafts = {}
end

-- Begins a draft, or ends it, as what comes next wants it.
---@private
---@param kind string
function Chat:note_draft(kind)
  local draft = self.drafts[#self.drafts]
  local is_open = draft and not draft.last
  if joined[kind] and not is_open then
    table.insert(self.drafts, { first = self:mark(self:ending()), before = self.kind })
  elseif not joined[kind] and is_open then
    draft.last = self:mark(self:ending())
  end
end

---@private
---@param kind string
---@param text string
function Chat:put(kind, text)
  local separator = self:separator(kind)
  self:note_draft(kind)
  local row, column = self:ending()
  local added = vim.split(separator .. text, '\n', { plain = true })
  local _, skipped = separator:gsub('\n', '')
  local levels = {}
  for index = 2, #added do
    local is_inside = kind == 'reasoning' and index > skipped
    local is_first = index == skipped + 1 and self.kind ~= kind
    levels[index - 1] = is_inside and (is_first and '>1' or '1') or '0'
  end
  self.kind = kind
  self.folds:splice(row + 2, 0, levels)
  vim.api.nvim_buf_set_text(self.buf, row, column, row, column, added)
end

---@private
---@param line pillion.Line
---@param kind 'line'|'child'
function Chat:put_line(line, kind)
  local row
  if kind == 'child' then
    row = line:insert()
  else
    self:put(kind, line:content())
    row = vim.api.nvim_buf_line_count(self.buf) - 1
  end
  if row then
    self.lines[line:place(row)] = line
  end
end

-- The line that may change, at a place.
---@param number integer from 1
---@return pillion.Line?
function Chat:line_at(number)
  local mark = lines.mark_at(self.buf, number - 1)
  return mark and self.lines[mark]
end

-- The call on a line, or the one that the line is folded below.
---@param number integer from 1
---@return pillion.Call?
function Chat:call_at(number)
  local line = self:line_at(number)
  while not line and number > 1 and self.folds:level(number):match('^%d') and self.folds:level(number) ~= '0' do
    number = number - 1
    line = self:line_at(number)
  end
  return line and line.call
end

return M
