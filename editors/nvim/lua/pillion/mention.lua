-- What a prompt points to with `@`, as blocks of the protocol. The server looks it up; the words stay as they are
-- typed.
local M = {}

-- The lines that were selected last in a buffer, from 1.
---@param buf integer
---@return pillion.Range?
local function selected(buf)
  local first, last = vim.api.nvim_buf_get_mark(buf, '<')[1], vim.api.nvim_buf_get_mark(buf, '>')[1]
  return first > 0 and last >= first and { first = first, last = last } or nil
end

---@param buf integer
---@return string
local function path_of(buf)
  local name = vim.api.nvim_buf_get_name(buf)
  return name ~= '' and name or require('pillion.untitled').uri(buf)
end

-- Lines of a buffer as they are on the screen.
---@param buf integer
---@param range pillion.Range
---@return pillion.ContentBlock
function M.lines(buf, range)
  return {
    type = 'selection',
    path = path_of(buf),
    startLine = range.first,
    endLine = range.last,
    text = table.concat(vim.api.nvim_buf_get_lines(buf, range.first - 1, range.last, false), '\n'),
  }
end

local severities = { 'error', 'warning', 'information', 'hint' }

---@param buf integer
---@return pillion.ContentBlock
local function diagnostics(buf)
  local problems = vim.tbl_map(function(problem)
    return {
      path = path_of(buf),
      line = problem.lnum + 1,
      severity = severities[problem.severity] or 'error',
      message = problem.message,
      source = problem.source,
      code = problem.code and tostring(problem.code),
    }
  end, vim.diagnostic.get(buf))
  return { type = 'diagnostics', problems = problems }
end

---@param path string
---@return boolean
local function is_there(path)
  return vim.uv.fs_stat(path) ~= nil or vim.fn.bufloaded(path) == 1
end

-- `path`, `path:7` or `path:7-9`, if there is such a file or folder.
---@param word string
---@param root string
---@return pillion.ContentBlock?
local function file(word, root)
  local path, first, last = word:match('^(.-):(%d+)%-?(%d*)$')
  path = path or word
  local full = vim.fs.normalize(path)
  if not full:match('^/') and not full:match('^%a:/') then
    full = vim.fs.joinpath(root, full)
  end
  if path == '' or not is_there(full) then
    return nil
  elseif first then
    local start = tonumber(first)
    return { type = 'range', path = full, startLine = start, endLine = tonumber(last) or start }
  end
  return { type = 'file', path = full }
end

-- A whole prompt: the lines of a range, then what the words point to, then the words.
---@param words string
---@param buf integer the buffer that they are about
---@param root string
---@param lines pillion.ContentBlock?
---@return pillion.ContentBlock[]
function M.with_words(words, buf, root, lines)
  local blocks = vim.api.nvim_buf_is_loaded(buf) and M.blocks(words, buf, root) or {}
  if lines then
    table.insert(blocks, 1, lines)
  end
  table.insert(blocks, { type = 'text', text = words })
  return blocks
end

-- The blocks for what the words point to: `@selection` and `@diagnostics` of the buffer, and `@path` below the root. A
-- word that is none of these is a word.
---@param words string
---@param buf integer
---@param root string
---@return pillion.ContentBlock[]
function M.blocks(words, buf, root)
  local blocks = {}
  for word in (' ' .. words):gmatch('%s@(%S+)') do
    local bare = word:gsub('[.,;:!?)]+$', '')
    local range = bare == 'selection' and selected(buf)
    if range then
      table.insert(blocks, M.lines(buf, range))
    elseif bare == 'diagnostics' then
      table.insert(blocks, diagnostics(buf))
    else
      table.insert(blocks, file(word, root) or file(bare, root))
    end
  end
  return blocks
end

return M
