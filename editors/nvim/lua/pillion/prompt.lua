-- The prompt: a buffer below the chat, in which a person writes as in any other. One for each project; what is not sent
-- yet stays in it.
local complete = require('pillion.complete')
local config = require('pillion.config')

local M = {}

---@class pillion.Prompt
---@field buf integer
---@field server pillion.Server
---@field origin integer the buffer that the words are about
---@field lines pillion.ContentBlock? those of a range, which come along
---@field back integer how far in the history what is shown is; 0 is what is being written
---@field written string[] that, while the history is shown
---@field completed string? the word that was completed last

local prompts = {} ---@type table<integer, pillion.Prompt>
local namespace = vim.api.nvim_create_namespace('pillion.prompt')
local hint = 'Ask, or say more: @ for files, / for commands, <C-s> sends'

---@param buf integer
---@return pillion.Prompt?
function M.of(buf)
  return prompts[buf]
end

---@param prompt pillion.Prompt
---@return string[]
local function lines_of(prompt)
  return vim.api.nvim_buf_get_lines(prompt.buf, 0, -1, true)
end

---@param prompt pillion.Prompt
---@return integer? window of this tab page
local function window_of(prompt)
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if vim.api.nvim_win_get_buf(window) == prompt.buf then
      return window
    end
  end
end

-- Says what to do in an empty prompt, and what comes along with it.
---@param prompt pillion.Prompt
local function decorate(prompt)
  vim.api.nvim_buf_clear_namespace(prompt.buf, namespace, 0, -1)
  local lines = lines_of(prompt)
  if #lines == 1 and lines[1] == '' then
    vim.api.nvim_buf_set_extmark(
      prompt.buf,
      namespace,
      0,
      0,
      { virt_text = { { hint, 'Comment' } }, virt_text_pos = 'overlay' }
    )
  end
end

-- The 'winbar' of a prompt.
---@return string
function M.bar()
  local prompt = prompts[vim.api.nvim_win_get_buf(vim.g.statusline_winid)]
  if not prompt then
    return ''
  end
  local session = prompt.server.current
  local title = session and (session.title ~= '' and session.title or 'Pillion') or 'A new session'
  local range = prompt.lines
  if not range then
    return ('%%#Title#%s'):format((title:gsub('%%', '%%%%')))
  end
  local path = vim.fn.fnamemodify(range.path, ':t')
  local where = range.startLine == range.endLine and ('line %d'):format(range.startLine)
    or ('lines %d to %d'):format(range.startLine, range.endLine)
  return ('%%#Title#%s%%* with %s of %s'):format(title:gsub('%%', '%%%%'), where, (path:gsub('%%', '%%%%')))
end

---@param prompt pillion.Prompt
local function close(prompt)
  local window = window_of(prompt)
  vim.cmd.stopinsert()
  if window and #vim.api.nvim_tabpage_list_wins(0) > 1 then
    vim.api.nvim_win_close(window, true)
  end
  local back = vim.fn.bufwinid(prompt.origin)
  if back ~= -1 then
    vim.api.nvim_set_current_win(back)
  end
end

-- Puts back what could not be sent, above what was begun since.
---@param prompt pillion.Prompt
---@param lines string[]
---@param range pillion.ContentBlock?
local function give_back(prompt, lines, range)
  if not prompts[prompt.buf] then
    return
  end
  prompt.lines = prompt.lines or range
  local begun = prompt.back > 0 and prompt.written or lines_of(prompt)
  local is_begun = table.concat(begun) ~= ''
  if prompt.back > 0 then
    prompt.written = is_begun and vim.list_extend(vim.list_slice(lines), begun) or lines
  else
    vim.api.nvim_buf_set_lines(prompt.buf, 0, is_begun and 0 or -1, true, lines)
    decorate(prompt)
  end
end

-- Sends what was written, and goes back to where the person was.
---@param prompt pillion.Prompt
function M.send(prompt)
  local lines, range = lines_of(prompt), prompt.lines
  local words = vim.trim(table.concat(lines, '\n'))
  if words == '' then
    return
  end
  local blocks = require('pillion.mention').with_words(words, prompt.origin, prompt.server.root, range)
  prompt.lines, prompt.back = nil, 0
  vim.api.nvim_buf_set_lines(prompt.buf, 0, -1, true, {})
  close(prompt)
  require('pillion').say(prompt.server, blocks, function()
    give_back(prompt, lines, range)
  end)
end

-- Shows what was asked before, or after that.
---@param prompt pillion.Prompt
---@param step integer
local function browse(prompt, step)
  local back = math.max(0, prompt.back + step)
  if back == prompt.back then
    return
  end
  local words = require('pillion.history').get(back)
  if back > 0 and not words then
    return
  elseif prompt.back == 0 then
    prompt.written = lines_of(prompt)
  end
  prompt.back = back
  local lines = back == 0 and prompt.written or vim.split(words or '', '\n', { plain = true })
  vim.api.nvim_buf_set_lines(prompt.buf, 0, -1, true, lines)
  vim.api.nvim_win_set_cursor(0, { #lines, #lines[#lines] })
  decorate(prompt)
end

-- Offers what the word before the cursor may become.
---@param prompt pillion.Prompt
local function offer(prompt)
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  local word, start = complete.word(vim.api.nvim_get_current_line():sub(1, column), row == 1)
  if not word or vim.api.nvim_get_mode().mode:sub(1, 1) ~= 'i' then
    prompt.completed = nil
    return
  elseif word == prompt.completed then
    return
  end
  local items = complete.items(prompt.server, word)
  if #items > 0 and not (#items == 1 and items[1].word == word) then
    vim.fn.complete(start + 1, items)
  end
end

-- Nothing is put in by the menu unless it was chosen.
---@param prompt pillion.Prompt
local function set_completion(prompt)
  local wanted = 'menuone,noinsert,noselect'
  if vim.fn.has('nvim-0.11') == 1 then
    vim.bo[prompt.buf].completeopt = wanted
    return
  end
  -- Neovim 0.10 has it for all buffers alone.
  local before
  vim.api.nvim_create_autocmd('InsertEnter', {
    buffer = prompt.buf,
    callback = function()
      before = before or vim.o.completeopt
      vim.o.completeopt = wanted
    end,
  })
  vim.api.nvim_create_autocmd({ 'InsertLeave', 'BufLeave' }, {
    buffer = prompt.buf,
    callback = function()
      vim.o.completeopt = before or vim.o.completeopt
      before = nil
    end,
  })
end

---@param prompt pillion.Prompt
local function map(prompt)
  local function key(modes, lhs, description, action)
    vim.keymap.set(modes, lhs, action, { buffer = prompt.buf, nowait = true, desc = 'Pillion: ' .. description })
  end
  local function send()
    M.send(prompt)
  end
  key({ 'n', 'i' }, '<C-s>', 'send', send)
  key('n', '<CR>', 'send', send)
  key('n', 'q', 'close the prompt', function()
    close(prompt)
  end)
  key('n', '<C-c>', 'stop the turn', function()
    require('pillion').cancel()
  end)
  -- At the edge of the prompt, the arrows go through what was asked before.
  local function arrow(lhs, step, is_at_edge)
    vim.keymap.set('i', lhs, function()
      if vim.fn.pumvisible() == 1 or not is_at_edge() then
        return lhs
      end
      vim.schedule(function()
        browse(prompt, step)
      end)
      return '<Ignore>'
    end, { buffer = prompt.buf, expr = true, desc = 'Pillion: what was asked before' })
  end
  arrow('<Up>', 1, function()
    return vim.fn.line('.') == 1
  end)
  arrow('<Down>', -1, function()
    return vim.fn.line('.') == vim.fn.line('$')
  end)
end

---@param prompt pillion.Prompt
local function watch(prompt)
  local buf = prompt.buf
  vim.api.nvim_create_autocmd({ 'TextChangedI', 'TextChanged', 'TextChangedP' }, {
    buffer = buf,
    callback = function(args)
      decorate(prompt)
      if args.event ~= 'TextChanged' then
        offer(prompt)
      end
    end,
  })
  vim.api.nvim_create_autocmd('CompleteDone', {
    buffer = buf,
    callback = function()
      prompt.completed = vim.v.completed_item.word
    end,
  })
  vim.api.nvim_create_autocmd('User', {
    pattern = { 'PillionFiles', 'PillionCommands' },
    group = vim.api.nvim_create_augroup('pillion.prompt.' .. buf, {}),
    callback = function()
      if vim.api.nvim_get_current_buf() == buf then
        offer(prompt)
      end
    end,
  })
  vim.api.nvim_create_autocmd('BufUnload', {
    buffer = buf,
    once = true,
    callback = function()
      prompts[buf] = nil
      pcall(vim.api.nvim_del_augroup_by_name, 'pillion.prompt.' .. buf)
    end,
  })
end

---@param server pillion.Server
---@return pillion.Prompt
local function create(server)
  local buf = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(buf, 'pillion://prompt' .. server.root)
  local options = vim.bo[buf]
  options.buftype, options.bufhidden, options.swapfile = 'nofile', 'hide', false
  local prompt = { buf = buf, server = server, origin = 0, back = 0, written = {} }
  prompts[buf] = prompt
  vim.treesitter.language.register('markdown', 'pillionprompt')
  options.filetype = 'pillionprompt'
  options.omnifunc = "v:lua.require'pillion.complete'.omni"
  set_completion(prompt)
  map(prompt)
  watch(prompt)
  return prompt
end

---@param window integer
local function dress(window)
  local options = vim.wo[window][0]
  options.wrap, options.linebreak, options.winfixheight = true, true, true
  options.number, options.relativenumber, options.signcolumn, options.spell = false, false, 'no', false
  options.winbar = "%!v:lua.require'pillion.prompt'.bar()"
  options.statusline, options.fillchars = ' ', 'eob: '
end

---@param prompt pillion.Prompt
local function show(prompt)
  local window = window_of(prompt)
  if not window then
    local session = prompt.server.current
    local above = session and require('pillion.chat_window').show(session.chat)
    window = vim.api.nvim_open_win(prompt.buf, false, {
      split = 'below',
      win = above or -1,
      height = config.options.prompt.height,
    })
    dress(window)
  end
  vim.api.nvim_set_current_win(window)
  decorate(prompt)
  vim.cmd.startinsert({ bang = true })
end

-- Has the person write a prompt, with the lines of a range if there is one.
---@param server pillion.Server
---@param origin integer the buffer that the words are about
---@param range pillion.Range?
function M.open(server, origin, range)
  local prompt
  for _, other in pairs(prompts) do
    prompt = other.server == server and other or prompt
  end
  prompt = prompt or create(server)
  if prompt.buf ~= origin then
    prompt.origin = origin
  end
  if range then
    prompt.lines = require('pillion.mention').lines(origin, range)
  elseif vim.trim(table.concat(lines_of(prompt))) == '' then
    prompt.lines = nil
  end
  server:learn_commands()
  require('pillion.files').known(server.root)
  show(prompt)
end

return M
