-- Completion of a prompt: `/` at its beginning names a command, `@` what comes along.
local files = require('pillion.files')

local M = {}

-- Chosen by hand: more would only be scrolled past.
local MOST = 60

---@param word string with its `@`
---@param menu string
---@return table item as |complete-items| has it
local function item(word, menu)
  return { word = word, menu = menu, icase = 1, dup = 0 }
end

-- What the cursor is on, if it is anything that can be completed.
---@param before string the line up to the cursor
---@param is_first boolean whether the line is the prompt's first
---@return string? word, integer column where it begins, in bytes from 0
function M.word(before, is_first)
  local command = is_first and before:match('^/[%w%-_:.]*$')
  if command then
    return command, 0
  end
  local start = (' ' .. before):match('.*%s()@%S*$')
  if start then
    return before:sub(start - 1), start - 2
  end
  return nil, 0
end

---@param names string[]
---@param wanted string
---@return string[]
local function match(names, wanted)
  if wanted == '' then
    return vim.list_slice(names, 1, MOST)
  end
  return vim.fn.matchfuzzy(names, wanted, { limit = MOST })
end

---@param server pillion.Server
---@param word string with its slash
---@return table[]
local function commands(server, word)
  local known = {}
  for _, command in ipairs(server.commands or {}) do
    known[command.name] = command
  end
  local names = vim.tbl_keys(known)
  table.sort(names)
  return vim.tbl_map(function(name)
    return item('/' .. name, known[name].description)
  end, match(names, word:sub(2)))
end

---@param server pillion.Server
---@return string[] paths of the buffers that are open, relative to the root, the latest used first
local function open_files(server)
  local bufs = vim.tbl_filter(function(buf)
    return server:owns(buf) and vim.bo[buf].buflisted
  end, vim.api.nvim_list_bufs())
  local used = {}
  for _, buf in ipairs(bufs) do
    used[buf] = vim.fn.getbufinfo(buf)[1].lastused
  end
  table.sort(bufs, function(one, other)
    return used[one] > used[other]
  end)
  return vim.tbl_map(function(buf)
    local root = server.root == '/' and '/' or server.root .. '/'
    return vim.fs.normalize(vim.api.nvim_buf_get_name(buf)):sub(#root + 1)
  end, bufs)
end

---@param server pillion.Server
---@param word string with its `@`
---@param wait boolean whether to wait until the files are known
---@return table[]
local function mentions(server, word, wait)
  local wanted = word:sub(2)
  local items = {}
  for _, special in ipairs({
    { 'selection', 'what was selected last' },
    { 'diagnostics', 'what is wrong in the file' },
  }) do
    if vim.startswith(special[1], wanted) then
      table.insert(items, item('@' .. special[1], special[2]))
    end
  end
  local seen, names = {}, {}
  for _, path in ipairs(open_files(server)) do
    seen[path] = 'open'
    table.insert(names, path)
  end
  for _, path in ipairs(wait and files.all(server.root) or files.known(server.root)) do
    -- A mention ends at a space.
    if not seen[path] and not path:find('%s') then
      seen[path] = 'file'
      table.insert(names, path)
    end
  end
  for _, path in ipairs(match(names, wanted)) do
    table.insert(items, item('@' .. path, seen[path]))
  end
  return items
end

---@param server pillion.Server
---@param word string
---@param wait boolean? whether to wait until all is known
---@return table[]
function M.items(server, word, wait)
  if word:sub(1, 1) == '/' then
    return commands(server, word)
  end
  return mentions(server, word, wait or false)
end

-- The 'omnifunc' of a prompt.
---@param findstart integer
---@return integer|table[]
function M.omni(findstart, base)
  local prompt = require('pillion.prompt').of(vim.api.nvim_get_current_buf())
  if findstart == 0 then
    return prompt and M.items(prompt.server, base, true) or {}
  end
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  local word, start = M.word(vim.api.nvim_get_current_line():sub(1, column), row == 1)
  return prompt and word and start or -3
end

-- Completes the arguments of |:Pillion| and |:PillionNew|.
---@param line string the command line
---@param position integer of the cursor, in bytes
---@return string[]
function M.command_line(line, position)
  local server = select(2, require('pillion').current())
  local before = line:sub(1, position)
  local said = before:match('Pillion%a*!?%s+(.*)$') or ''
  local word = M.word(said, true)
  if not word then
    return {}
  end
  -- |complete()| would do the same for a buffer; a command line completes what stands after the last space.
  return vim.tbl_map(function(found)
    return found.word
  end, M.items(server, word, true))
end

return M
