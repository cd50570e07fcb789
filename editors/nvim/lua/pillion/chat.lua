-- A chat's buffer: Markdown that grows at its end. Writes are collected and shown about forty times a second, however
-- fast they come.
local M = {}

---@class pillion.Chat
---@field buf integer
---@field session pillion.Session
---@field private kind string? of what was written last
---@field private pending { kind: string, text: string, line: pillion.Line? }[]
---@field private dirty table<pillion.Line, true>
---@field private scheduled boolean
---@field private levels table<integer, string> fold level by line, from 1; absent means none
---@field private calls table<integer, pillion.Call> by line, from 1
---@field private draft { row: integer, column: integer, kind: string? }? where what the model is saying begins, from 0
local Chat = {}
Chat.__index = Chat

---@class pillion.Line a line that may change after it was written
---@field private chat pillion.Chat
---@field private text string
---@field private call pillion.Call?
---@field private row integer? from 0, once it was written
---@field private mark integer?
local Line = {}
Line.__index = Line

local FLUSH_MS = 25
local namespace = vim.api.nvim_create_namespace('pillion.chat')
local chats = {} ---@type table<integer, pillion.Chat>

-- What runs together with more of its kind.
local joined = { answer = true, reasoning = true }

local highlights = { waiting = 'DiagnosticWarn', failed = 'DiagnosticError', running = 'Special' }

---@param session pillion.Session
---@return pillion.Chat
function M.new(session)
  local buf = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(buf, 'pillion://chat/' .. session.id)
  local options = vim.bo[buf]
  options.buftype, options.bufhidden, options.swapfile = 'nofile', 'hide', false
  options.undolevels, options.modifiable = -1, false
  local self = setmetatable({
    buf = buf,
    session = session,
    pending = {},
    dirty = {},
    scheduled = false,
    levels = {},
    calls = {},
  }, Chat)
  chats[buf] = self
  vim.treesitter.language.register('markdown', 'pillion')
  options.filetype = 'pillion'
  -- Neovim 0.10 parses the whole buffer for each redraw: measured 75 ms a delta at 5,000 lines, against 0.1 ms.
  if vim.fn.has('nvim-0.11') == 0 or not pcall(vim.treesitter.start, buf, 'markdown') then
    options.syntax = 'markdown'
  end
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

-- The 'foldexpr' of a chat.
---@return string
function M.fold_level()
  local self = chats[vim.api.nvim_get_current_buf()]
  return self and self.levels[vim.v.lnum] or '0'
end

-- The 'foldtext' of a chat.
---@return string
function M.fold_text()
  local lines = vim.v.foldend - vim.v.foldstart + 1
  return ('· Thinking (%d %s)'):format(lines, lines == 1 and 'line' or 'lines')
end

-- Adds to what is written, in a block of its own if the kind is another than before. Prompts never run together.
---@param kind 'prompt'|'answer'|'reasoning'
---@param text string
function Chat:write(kind, text)
  table.insert(self.pending, { kind = kind, text = (text:gsub('\r', '')) })
  self:flush_soon()
end

-- Takes back what the model has said since [Chat:keep], or since anything else was written.
function Chat:withdraw()
  table.insert(self.pending, { kind = 'withdraw', text = '' })
  self:flush_soon()
end

-- What the model has said so far stays.
function Chat:keep()
  table.insert(self.pending, { kind = 'keep', text = '' })
  self:flush_soon()
end

---@param text string one line
---@param call pillion.Call? what it stands for
---@return pillion.Line
function Chat:line(text, call)
  local line = setmetatable({ chat = self, text = text, call = call }, Line)
  table.insert(self.pending, { kind = 'line', text = '', line = line })
  self:flush_soon()
  return line
end

---@param text string one line
function Line:set(text)
  self.text = text
  self.chat.dirty[self] = true
  self.chat:flush_soon()
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
    local kind, texts = pending[from].kind, { pending[from].text }
    local to = from + 1
    while joined[kind] and to <= #pending and pending[to].kind == kind do
      table.insert(texts, pending[to].text)
      to = to + 1
    end
    local line = pending[from].line
    if kind == 'withdraw' then
      self:take_back()
    elseif kind == 'keep' then
      self.draft = nil
    else
      self:put(kind, line and line.text:gsub('\n', ' ') or table.concat(texts))
    end
    if line then
      line:place(vim.api.nvim_buf_line_count(self.buf) - 1)
    end
    from = to
  end
  for line in pairs(dirty) do
    line:show()
  end
  vim.bo[self.buf].modifiable = false
  local last = vim.api.nvim_buf_get_lines(self.buf, -2, -1, true)[1]
  for _, window in ipairs(followers) do
    pcall(vim.api.nvim_win_set_cursor, window, { vim.api.nvim_buf_line_count(self.buf), #last })
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
  local lines = vim.api.nvim_buf_get_lines(self.buf, -3, -1, false)
  local gap = lines[#lines] ~= '' and '\n\n' or (lines[#lines - 1] ~= '' and '\n' or '')
  return before == 'prompt' and kind ~= 'prompt' and gap .. '## Pillion\n\n' or gap
end

---@private
function Chat:take_back()
  local draft = self.draft
  if not draft then
    return
  end
  local count = vim.api.nvim_buf_line_count(self.buf)
  for number = draft.row + 2, count do
    self.levels[number] = nil
  end
  local last = vim.api.nvim_buf_get_lines(self.buf, -2, -1, true)[1]
  vim.api.nvim_buf_set_text(self.buf, draft.row, draft.column, count - 1, #last, { '' })
  self.kind, self.draft = draft.kind, nil
end

---@private
---@param kind string
---@param text string
function Chat:put(kind, text)
  local separator = self:separator(kind)
  local row = vim.api.nvim_buf_line_count(self.buf) - 1
  local column = #vim.api.nvim_buf_get_lines(self.buf, row, row + 1, true)[1]
  if kind == 'line' or kind == 'prompt' then
    self.draft = nil
  elseif not self.draft then
    self.draft = { row = row, column = column, kind = self.kind }
  end
  local lines = vim.split(separator .. text, '\n', { plain = true })
  if kind == 'reasoning' then
    local _, skipped = separator:gsub('\n', '')
    local first = row + 1 + skipped
    for number = first, row + #lines do
      self.levels[number] = self.levels[number] or ((number == first and self.kind ~= kind) and '>1' or '1')
    end
  end
  self.kind = kind
  vim.api.nvim_buf_set_text(self.buf, row, column, row, column, lines)
end

---@private
---@param row integer
function Line:place(row)
  self.row = row
  self.chat.calls[row + 1] = self.call
  self:paint()
end

---@private
function Line:show()
  if self.row then
    vim.api.nvim_buf_set_lines(self.chat.buf, self.row, self.row + 1, true, { (self.text:gsub('\n', ' ')) })
    self:paint()
  end
end

---@private
function Line:paint()
  self.mark = vim.api.nvim_buf_set_extmark(self.chat.buf, namespace, self.row, 0, {
    id = self.mark,
    end_row = self.row,
    end_col = #vim.api.nvim_buf_get_lines(self.chat.buf, self.row, self.row + 1, true)[1],
    hl_group = self.call and highlights[self.call.state] or 'Comment',
    -- Above tree-sitter's.
    priority = 200,
  })
end

-- The call on a line, if there is one.
---@param number integer from 1
---@return pillion.Call?
function Chat:call_at(number)
  return self.calls[number]
end

return M
