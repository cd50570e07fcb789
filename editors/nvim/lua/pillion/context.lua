-- What the person has before them: where the cursor is, what is selected, what is shown and open.
local place = require('pillion.diagnostics').place

local M = {}

-- A buffer's name for the server; nil for what is no document, as Pillion's own windows.
---@param buf integer
---@return string?
local function uri_of(buf)
  if not vim.api.nvim_buf_is_loaded(buf) or vim.bo[buf].buftype ~= '' then
    return nil
  elseif vim.api.nvim_buf_get_name(buf) ~= '' then
    return vim.uri_from_bufnr(buf)
  end
  return vim.bo[buf].buflisted and require('pillion.untitled').uri(buf) or nil
end

---@param window integer
---@return boolean
local function shows_document(window)
  return vim.api.nvim_win_is_valid(window) and uri_of(vim.api.nvim_win_get_buf(window)) ~= nil
end

-- The window that the person is in; from a window that shows no document, the one they were in before.
---@return integer?
local function active()
  local before = vim.fn.win_getid(vim.fn.winnr('#'))
  for _, window in ipairs({ vim.api.nvim_get_current_win(), before }) do
    if shows_document(window) then
      return window
    end
  end
  local windows = vim.tbl_filter(shows_document, vim.api.nvim_tabpage_list_wins(0))
  table.sort(windows, function(one, other)
    local function used(window)
      return vim.fn.getbufinfo(vim.api.nvim_win_get_buf(window))[1].lastused
    end
    return used(one) > used(other)
  end)
  return windows[1]
end

-- What is selected in the current window, or was until the person went to ask: the cursor has not left its lines.
---@return { first: integer[], last: integer[], kind: string }? # as |getpos()| has them
local function region()
  local kind = ({ s = 'v', S = 'V', ['\19'] = '\22' })[vim.fn.mode()] or vim.fn.mode()
  local first, last = vim.fn.getpos('v'), vim.fn.getpos('.')
  if not vim.list_contains({ 'v', 'V', '\22' }, kind) then
    kind, first, last = vim.fn.visualmode(), vim.fn.getpos("'<"), vim.fn.getpos("'>")
    local line = vim.fn.line('.')
    if kind == '' or first[2] == 0 or line < first[2] or line > last[2] then
      return nil
    end
  end
  if first[2] > last[2] or (first[2] == last[2] and first[3] > last[3]) then
    first, last = last, first
  end
  return { first = first, last = last, kind = kind }
end

-- Of the current window.
---@param buf integer
---@param encoding string
---@return pillion.EditorSelection?
local function selection(buf, encoding)
  local found = region()
  if not found then
    return nil
  end
  local first, last = found.first, found.last
  local text = table.concat(vim.fn.getregion(first, last, { type = found.kind }), '\n')
  if text == '' then
    return nil
  end
  local line = vim.fn.getline(last[2])
  local from, behind = first[3] - 1, math.min(last[3], #line)
  if found.kind == 'V' then
    from, behind = 0, #line
  elseif vim.o.selection == 'exclusive' then
    behind = math.min(last[3] - 1, #line)
  elseif behind > 0 then
    behind = behind + vim.str_utf_end(line, behind)
  end
  local starts, ends = place(buf, first[2] - 1, from, encoding), place(buf, last[2] - 1, behind, encoding)
  return {
    startLine = starts.line,
    startColumn = starts.character,
    endLine = ends.line,
    endColumn = ends.character,
    text = text,
  }
end

---@param window integer
---@param encoding string
---@return pillion.ActiveDocument
local function document(window, encoding)
  local buf = vim.api.nvim_win_get_buf(window)
  local row, column = unpack(vim.api.nvim_win_get_cursor(window))
  local cursor = place(buf, row - 1, column, encoding)
  local selected
  if window == vim.api.nvim_get_current_win() then
    selected = selection(buf, encoding)
  else
    vim.api.nvim_win_call(window, function()
      selected = selection(buf, encoding)
    end)
  end
  local is_named = vim.api.nvim_buf_get_name(buf) ~= ''
  return {
    uri = assert(uri_of(buf)),
    version = is_named and vim.lsp.util.buf_versions[buf] or vim.api.nvim_buf_get_changedtick(buf),
    cursor = { line = cursor.line, column = cursor.character },
    selection = selected,
  }
end

---@param client vim.lsp.Client
---@return pillion.EditorContextResponse
function M.read(client)
  local visible, open = {}, {}
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if shows_document(window) then
      local first, last = vim.fn.line('w0', window), vim.fn.line('w$', window)
      table.insert(visible, {
        uri = uri_of(vim.api.nvim_win_get_buf(window)),
        startLine = first - 1,
        endLine = math.max(first, last) - 1,
      })
    end
  end
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    if vim.bo[buf].buflisted then
      table.insert(open, uri_of(buf))
    end
  end
  local window = active()
  return {
    active = window and document(window, client.offset_encoding or 'utf-16'),
    visible = visible,
    open = open,
  }
end

return M
