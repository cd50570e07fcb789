-- What a diff's hunks make of a text.
local M = {}

---@param hunk pillion.Hunk
---@param mark '-'|'+' which side
---@return string[]
function M.side(hunk, mark)
  local lines = {}
  for _, line in ipairs(vim.split((hunk.text:gsub('\r', ''):gsub('\n$', '')), '\n', { plain = true })) do
    local first = line:sub(1, 1)
    if first == ' ' or first == mark then
      table.insert(lines, line:sub(2))
    end
  end
  return lines
end

-- Where a hunk's old lines begin, from 1. In a diff's header, one without old lines names the line before it.
---@param hunk pillion.Hunk
---@return integer
local function start(hunk)
  return hunk.oldLines == 0 and hunk.oldStart + 1 or hunk.oldStart
end

-- How many lines a hunk has before those that change.
---@param hunk pillion.Hunk
---@return integer
function M.lead(hunk)
  local count = 0
  for line in hunk.text:gmatch('[^\n]+') do
    if line:sub(1, 1) ~= ' ' then
      break
    end
    count = count + 1
  end
  return count
end

-- The text with the chosen hunks made.
---@param old string[]
---@param hunks pillion.Hunk[]
---@param chosen boolean[] by hunk
---@return string[] new, integer[] rows where each hunk begins in it, from 1
function M.apply(old, hunks, chosen)
  local new, rows, done = {}, {}, 0
  for index, hunk in ipairs(hunks) do
    local first = start(hunk)
    vim.list_extend(new, old, done + 1, first - 1)
    rows[index] = #new + 1
    vim.list_extend(new, M.side(hunk, chosen[index] and '+' or '-'))
    done = first - 1 + hunk.oldLines
  end
  return vim.list_extend(new, old, done + 1, #old), rows
end

-- Whether the hunks were made of this text.
---@param old string[]
---@param hunks pillion.Hunk[]
---@return boolean
function M.fit(old, hunks)
  return vim.iter(hunks):all(function(hunk)
    local first = start(hunk)
    return vim.deep_equal(vim.list_slice(old, first, first + hunk.oldLines - 1), M.side(hunk, '-'))
  end)
end

-- The old lines of the hunks alone, and hunks that fit them: for a text that is not there any more.
---@param hunks pillion.Hunk[]
---@return string[] old, pillion.Hunk[] moved
function M.alone(hunks)
  local old, moved = {}, {}
  for index, hunk in ipairs(hunks) do
    local lines = M.side(hunk, '-')
    local first = #lines == 0 and #old or #old + 1
    moved[index] = vim.tbl_extend('force', hunk, { oldStart = first, oldLines = #lines })
    vim.list_extend(old, lines)
  end
  return old, moved
end

-- The hunk that a line is in, or else the last one before it, or the first.
---@param rows integer[]
---@param row integer from 1
---@return integer
function M.at(rows, row)
  local found = 1
  for index, first in ipairs(rows) do
    if first <= row then
      found = index
    end
  end
  return found
end

return M
