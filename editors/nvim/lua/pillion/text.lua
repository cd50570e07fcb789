-- The words of the chat: events as lines for a person.
local M = {}

-- In front of a line, and always beside a word: nothing is said by the mark alone.
M.marks = {
  running = '▸',
  waiting = '?',
  ok = '✓',
  failed = '✗',
  denied = '⊘',
  cancelled = '⊘',
  retry = '↻',
  info = '·',
  warning = '!',
  error = '✗',
  pending = '☐',
  inProgress = '◐',
  completed = '☑',
}

local words = { waiting = 'waits for you', failed = 'failed', denied = 'denied', cancelled = 'stopped' }

-- As |vim.trim()|, which takes minutes for a megabyte of blanks.
---@param text string
---@return string
local function trim(text)
  local from = text:find('%S')
  return from and text:match('^.*%S', from) or ''
end

---@param text string
---@return string
function M.first_line(text)
  local from = text:find('%S')
  return from and trim(text:match('^[^\r\n]*', from)) or ''
end

---@param text string
---@return string
function M.last_line(text)
  local trimmed = trim(text)
  -- From the back, and from one place: the end of a command's output is long, and looked at often.
  return trimmed:match('^.*[\r\n](.*)$') or trimmed
end

---@param text string
---@param width integer characters
---@return string
function M.cut(text, width)
  return vim.fn.strcharlen(text) > width and vim.fn.strcharpart(text, 0, width - 1) .. '…' or text
end

-- For a message beside the chat, which has it all: one that fits below the window, so that no key is asked for.
---@param text string
---@return string
function M.brief(text)
  return M.cut(M.first_line(text), math.max(20, vim.v.echospace - #'pillion: '))
end

---@param call pillion.Call
---@return string
function M.call(call)
  local note = call.note or (call.state == 'running' and M.last_line(call.output)) or ''
  local parts = { words[call.state] or false, note ~= '' and note or false }
  local said = table.concat(
    vim.tbl_filter(function(part)
      return part
    end, parts),
    ': '
  )
  local line = M.marks[call.state] .. ' ' .. M.first_line(call.title)
  return M.cut(said == '' and line or line .. ' — ' .. said, 300)
end

---@param block pillion.ContentBlock
---@return string
local function content(block)
  local path = block.path and vim.fn.fnamemodify(block.path, ':~:.')
  if block.type == 'text' then
    return block.text
  elseif block.type == 'command' then
    return ('/%s %s'):format(block.name, block.arguments or '')
  elseif block.type == 'symbol' then
    return ('(%s in %s)'):format(block.name, path)
  elseif block.startLine and block.startLine == block.endLine then
    return ('(line %d of %s)'):format(block.startLine, path)
  elseif block.startLine then
    return ('(lines %d to %d of %s)'):format(block.startLine, block.endLine, path)
  elseif block.type == 'diagnostics' then
    return ('(%d diagnostics)'):format(#block.problems)
  elseif block.type == 'image' then
    return '(an image)'
  end
  return ('(%s)'):format(path or block.url or block.uri or block.type)
end

---@param prompt pillion.ContentBlock[]
---@return string
function M.prompt(prompt)
  return '## You\n\n' .. table.concat(vim.tbl_map(content, prompt), '\n\n')
end

---@param prompt pillion.ContentBlock[]
---@return string
function M.title(prompt)
  for _, block in ipairs(prompt) do
    if block.type == 'text' then
      return M.cut(M.first_line(block.text), 60)
    end
  end
  return ''
end

-- What the person typed of a prompt.
---@param prompt pillion.ContentBlock[]
---@return string
function M.words(prompt)
  local said = {}
  for _, block in ipairs(prompt) do
    if block.type == 'text' or block.type == 'command' then
      table.insert(said, content(block))
    end
  end
  return table.concat(said, '\n')
end

-- How many lines a change adds and takes away.
---@param diff pillion.FileDiff?
---@return string?
function M.change(diff)
  if not diff then
    return nil
  end
  local added, removed = 0, 0
  for _, hunk in ipairs(diff.hunks) do
    local _, more = ('\n' .. hunk.text):gsub('\n%+', '')
    local _, less = ('\n' .. hunk.text):gsub('\n%-', '')
    added, removed = added + more, removed + less
  end
  return ('+%d −%d'):format(added, removed)
end

---@param items pillion.PlanItem[]
---@return string line, string[] details
function M.plan(items)
  local done, now = 0, nil
  local list = vim.tbl_map(function(item)
    done = done + (item.status == 'completed' and 1 or 0)
    now = now or (item.status == 'inProgress' and M.first_line(item.text)) or nil
    return ('%s %s'):format(M.marks[item.status] or M.marks.pending, M.first_line(item.text))
  end, items)
  local mark = done == #items and M.marks.completed or M.marks.inProgress
  return ('%s Plan: %d of %d done%s'):format(mark, done, #items, now and ', now: ' .. now or ''), list
end

---@param event { error: string, delayMs: integer, attempt: integer }
---@return string
function M.retry(event)
  local seconds = event.delayMs / 1000
  return ('%s %s; trying again in %.1f s (%d)'):format(M.marks.retry, event.error, seconds, event.attempt)
end

---@param event { level: string, message: string }
---@return string
function M.notice(event)
  return ('%s %s'):format(M.marks[event.level] or M.marks.info, event.message)
end

---@param count integer
---@return string
function M.tokens(count)
  if count < 1000 then
    return tostring(count)
  end
  return count < 1000000 and ('%.1fk'):format(count / 1000) or ('%.1fM'):format(count / 1000000)
end

-- What is known of a cost, in dollars.
---@param cost pillion.Cost
---@return string
function M.cost(cost)
  local dollars = cost.nanoDollars / 1e9
  local shown = dollars < 1 and ('$%.4f'):format(dollars) or ('$%.2f'):format(dollars)
  return cost.atLeast and 'at least ' .. shown or shown
end

-- Both together, as far as they are known.
---@param one pillion.Cost?
---@param other pillion.Cost?
---@return pillion.Cost?
function M.sum(one, other)
  if not (one and other) then
    return one or other
  end
  return { nanoDollars = one.nanoDollars + other.nanoDollars, atLeast = one.atLeast or other.atLeast }
end

---@param usage pillion.Usage
---@return string
function M.usage(usage)
  local parts = {}
  for _, part in ipairs({
    { usage.inputTokens, 'in' },
    { usage.outputTokens, 'out' },
    { usage.cacheReadTokens, 'from cache' },
    { usage.cacheWriteTokens, 'to cache' },
  }) do
    local count, is_cache = part[1], part[2]:find('cache') ~= nil
    if count and (count > 0 or not is_cache) then
      table.insert(parts, M.tokens(count) .. ' ' .. part[2])
    end
  end
  if usage.cost then
    table.insert(parts, M.cost(usage.cost))
  end
  return table.concat(parts, ', ')
end

local ends = {
  endTurn = 'Done',
  stopSequence = 'Done',
  maxTokens = 'Cut off at the token limit',
  refusal = 'The model declined',
  turnLimit = 'Stopped after the most model calls a turn may make; a new prompt goes on',
  cancelled = 'Stopped',
  error = 'Failed',
  interrupted = 'Interrupted',
}

---@param event { stopReason: string, usage: pillion.Usage, error: string? }
---@return string
function M.turn_end(event)
  local failed = event.stopReason == 'error' or event.stopReason == 'interrupted'
  local line = (failed and M.marks.error or M.marks.info) .. ' ' .. (ends[event.stopReason] or event.stopReason)
  if event.error then
    line = line .. ': ' .. event.error
  end
  local used = M.usage(event.usage)
  return used == '' and line or ('%s (%s)'):format(line, used)
end

return M
