-- What the popup shows of a call: lines, and which of them belong to which hunk.
local M = {}

---@class pillion.View
---@field lines string[]
---@field hunk_rows integer[] the line, from 1, on which each hunk begins

---@param view pillion.View
---@param text string
---@param prefix string
local function add(view, text, prefix)
  for _, line in ipairs(vim.split((text:gsub('\r', '')), '\n', { plain = true })) do
    table.insert(view.lines, prefix .. line)
  end
end

---@param view pillion.View
---@param diff pillion.FileDiff
local function add_diff(view, diff)
  for _, hunk in ipairs(diff.hunks) do
    table.insert(view.hunk_rows, #view.lines + 1)
    local header = '@@ -%d,%d +%d,%d @@'
    table.insert(view.lines, header:format(hunk.oldStart, hunk.oldLines, hunk.newStart, hunk.newLines))
    add(view, (hunk.text:gsub('\n$', '')), '')
  end
end

---@param approval pillion.Approval
---@return pillion.View
function M.view(approval)
  ---@type pillion.View
  local view = { lines = {}, hunk_rows = {} }
  if approval.risk then
    add(view, approval.risk, '! ')
  end
  if approval.outside then
    add(view, 'Outside the project: ' .. table.concat(approval.paths, ', '), '! ')
  end
  if approval.command then
    add(view, approval.command, '$ ')
  elseif approval.diff then
    add_diff(view, approval.diff)
  else
    vim.list_extend(view.lines, require('pillion.json').lines(approval.input))
  end
  if #approval.rules > 0 then
    table.insert(view.lines, '')
    add(view, 's, p and u allow from now on: ' .. table.concat(approval.rules, ', '), '')
  end
  return view
end

-- The chosen hunks as the wire has them; `nil` when all are.
---@param chosen boolean[]
---@return integer[]? indexes from 0
function M.chosen(chosen)
  local indexes = {}
  for index, is_chosen in ipairs(chosen) do
    if is_chosen then
      table.insert(indexes, index - 1)
    end
  end
  if #indexes < #chosen then
    return indexes
  end
end

return M
