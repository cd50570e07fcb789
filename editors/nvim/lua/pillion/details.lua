-- What is folded below a call in the chat: what it was given, changed and printed, as Markdown.
local M = {}

-- Chosen by hand: a few screens. All of it is one key away.
local MOST_LINES = 120

---@param language string
---@param text string
---@return string[]
local function fence(language, text)
  -- From the back: a search for the blanks at the end would begin anew at each blank.
  local body = text:gsub('\r', ''):gsub('^\n+', ''):match('^.*%S') or ''
  local lines = vim.split(body, '\n', { plain = true })
  local ticks = '```'
  for _, line in ipairs(lines) do
    local run = line:match('^%s*(```+)')
    ticks = run and #run >= #ticks and run .. '`' or ticks
  end
  table.insert(lines, 1, ticks .. language)
  table.insert(lines, ticks)
  return lines
end

---@param lines string[]
---@param most integer
---@return string[]
local function clip(lines, most)
  if #lines <= most then
    return lines
  end
  local kept = vim.list_slice(lines, 1, most)
  table.insert(kept, lines[#lines])
  table.insert(kept, ('(%d more lines; <CR> on the call shows all)'):format(#lines - most - 1))
  return kept
end

-- All that is known of a call.
---@param call pillion.Call
---@return string[]
function M.all(call)
  local lines = fence('json', table.concat(require('pillion.json').lines(call.input), '\n'))
  if call.diff then
    vim.list_extend(lines, fence('diff', call.diff.unified))
  end
  if call.output:find('%S') then
    vim.list_extend(lines, fence('', call.output))
  end
  return lines
end

-- What the chat keeps below the call, shortened.
---@param call pillion.Call
---@return string[]
function M.short(call)
  local lines = {}
  if type(call.input.command) == 'string' then
    vim.list_extend(lines, clip(fence('sh', call.input.command), MOST_LINES))
  end
  if call.diff then
    vim.list_extend(lines, clip(fence('diff', call.diff.unified), MOST_LINES))
  elseif call.output:find('%S') then
    vim.list_extend(lines, clip(fence('', call.output), MOST_LINES))
  end
  return lines
end

return M
