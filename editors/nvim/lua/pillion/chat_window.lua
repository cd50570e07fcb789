-- How a chat is shown: its window, its keys, and a closer look at a call.
local config = require('pillion.config')

local M = {}

---@param window integer
local function dress(window)
  local options = vim.wo[window][0]
  options.wrap, options.linebreak, options.breakindent = true, true, true
  options.number, options.relativenumber, options.signcolumn = false, false, 'no'
  options.spell, options.list, options.cursorline = false, false, false
  options.foldmethod = 'expr'
  options.foldexpr = "v:lua.require'pillion.fold'.level()"
  options.foldtext = "v:lua.require'pillion.fold'.text()"
  options.foldlevel = config.options.chat.folded and 0 or 99
  options.foldenable, options.foldminlines = true, 0
  options.fillchars, options.winhighlight = 'fold: ,eob: ', 'Folded:Normal'
  options.winfixwidth, options.conceallevel = true, 2
  options.statusline = " %{v:lua.require'pillion.statusline'.chat()}"
end

-- How much room lines need, up to a limit. Not all of them are looked at: they may be very many.
---@param lines string[]
---@param max_width integer
---@param max_height integer
---@return integer width, integer height
local function extent(lines, max_width, max_height)
  local width, height = 1, 0
  for _, line in ipairs(lines) do
    local cells = vim.fn.strdisplaywidth(line)
    width = math.min(math.max(width, cells), max_width)
    height = height + math.max(1, math.ceil(cells / max_width))
    if height >= max_height then
      break
    end
  end
  return width, math.max(1, math.min(height, max_height))
end

-- Shows Markdown in a float, and goes there; `q` closes it.
---@param lines string[]
function M.float(lines)
  local buf = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_lines(buf, 0, -1, true, lines)
  vim.bo[buf].bufhidden, vim.bo[buf].modifiable = 'wipe', false
  require('pillion.markdown').highlight(buf)
  local width, height = extent(lines, math.floor(vim.o.columns * 0.8), math.floor(vim.o.lines * 0.8))
  local window = vim.api.nvim_open_win(buf, true, {
    relative = 'editor',
    width = width,
    height = height,
    row = math.floor((vim.o.lines - height) / 2) - 1,
    col = math.floor((vim.o.columns - width) / 2) - 1,
    style = 'minimal',
    border = 'rounded',
  })
  vim.wo[window].wrap, vim.wo[window].conceallevel = true, 2
  vim.keymap.set('n', 'q', '<Cmd>close<CR>', { buffer = buf, nowait = true })
  vim.api.nvim_create_autocmd('WinLeave', {
    buffer = buf,
    once = true,
    callback = function()
      pcall(vim.api.nvim_win_close, window, true)
    end,
  })
end

-- What a call was given, printed and changed, whole.
---@param call pillion.Call
local function look_closer(call)
  local lines = { '# ' .. require('pillion.text').first_line(call.title), '' }
  M.float(vim.list_extend(lines, require('pillion.details').all(call)))
end

-- Sets a new chat's keys, and what any window that shows it looks like.
---@param chat pillion.Chat
function M.prepare(chat)
  local function key(keys, description, action)
    for _, lhs in ipairs(keys) do
      vim.keymap.set('n', lhs, action, { buffer = chat.buf, nowait = true, desc = 'Pillion: ' .. description })
    end
  end
  key({ 'i', 'a', 'o' }, 'ask', function()
    require('pillion').ask('')
  end)
  key({ '<CR>' }, 'look closer at a call, or ask', function()
    local call = chat:call_at(vim.api.nvim_win_get_cursor(0)[1])
    if call then
      look_closer(call)
    else
      require('pillion').ask('')
    end
  end)
  key({ '<Tab>' }, 'open or close a fold', function()
    pcall(vim.cmd.normal, { 'za', bang = true })
  end)
  key({ '<C-c>' }, 'stop the turn', function()
    require('pillion').cancel()
  end)
  key({ 'q' }, 'hide the chat', function()
    M.hide(chat)
  end)
  vim.api.nvim_create_autocmd('BufWinEnter', {
    buffer = chat.buf,
    callback = function()
      dress(vim.api.nvim_get_current_win())
    end,
  })
end

---@return integer? window of this tab page that shows a chat, the given one if possible
---@param chat pillion.Chat
local function window_of(chat)
  local other
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    local buf = vim.api.nvim_win_get_buf(window)
    if buf == chat.buf then
      return window
    elseif require('pillion.chat').of(buf) then
      other = window
    end
  end
  return other
end

---@param chat pillion.Chat
---@return boolean
function M.is_shown(chat)
  local window = window_of(chat)
  return window ~= nil and vim.api.nvim_win_get_buf(window) == chat.buf
end

-- Shows a chat beside what the person works on, and leaves the cursor where it is.
---@param chat pillion.Chat
---@return integer window
function M.show(chat)
  local window = window_of(chat)
  if window then
    if vim.api.nvim_win_get_buf(window) == chat.buf then
      return window
    end
    vim.api.nvim_win_set_buf(window, chat.buf)
  else
    local width = config.options.chat.width
    width = width < 1 and math.floor(vim.o.columns * width) or width
    window = vim.api.nvim_open_win(chat.buf, false, { split = 'right', win = -1, width = width })
  end
  dress(window)
  vim.api.nvim_win_set_cursor(window, { vim.api.nvim_buf_line_count(chat.buf), 0 })
  return window
end

---@param chat pillion.Chat
function M.hide(chat)
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if vim.api.nvim_win_get_buf(window) == chat.buf and #vim.api.nvim_tabpage_list_wins(0) > 1 then
      vim.api.nvim_win_close(window, false)
    end
  end
end

return M
