-- The edit that waits, in diff mode: the text as it is beside what it would become. Each hunk is taken or left, and the
-- popup's keys answer.
local approval = require('pillion.approval')
local difftab = require('pillion.difftab')
local hunks = require('pillion.hunks')

local M = {}

---@class pillion.Review
---@field waiting pillion.Waiting
---@field tab pillion.DiffTab
---@field old string[]
---@field hunks pillion.Hunk[]
---@field rows { left: integer[], right: integer[] } where each hunk begins

local open = {} ---@type pillion.Review[]
local namespace = vim.api.nvim_create_namespace('pillion.review')

---@param path string absolute, or an `untitled:` URI
---@return string[]
local function text_of(path)
  local buf = require('pillion.untitled').buffer(path) or vim.fn.bufnr('^' .. vim.fn.escape(path, '^$*[]\\?{},') .. '$')
  if buf ~= -1 and vim.api.nvim_buf_is_loaded(buf) then
    return vim.api.nvim_buf_get_lines(buf, 0, -1, true)
  end
  return vim.fn.filereadable(path) == 1 and vim.fn.readfile(path) or {}
end

---@param review pillion.Review
local function draw(review)
  local chosen = review.waiting.chosen
  local new, rows = hunks.apply(review.old, review.hunks, chosen)
  review.rows.right = rows
  local right = review.tab.right
  vim.bo[right].modifiable = true
  vim.api.nvim_buf_set_lines(right, 0, -1, true, new)
  vim.bo[right].modifiable = false
  for side, buf in pairs({ left = review.tab.left, right = right }) do
    vim.api.nvim_buf_clear_namespace(buf, namespace, 0, -1)
    local last = vim.api.nvim_buf_line_count(buf)
    for index, row in ipairs(review.rows[side]) do
      local mark = ('%s %d of %d'):format(chosen[index] and '[x]' or '[ ] not', index, #chosen)
      vim.api.nvim_buf_set_extmark(buf, namespace, math.min(row + hunks.lead(review.hunks[index]), last) - 1, 0, {
        virt_text = { { mark, chosen[index] and 'Special' or 'WarningMsg' } },
        virt_text_pos = 'right_align',
      })
    end
  end
  vim.cmd.diffupdate()
end

---@param review pillion.Review
local function toggle(review)
  local is_left = vim.api.nvim_get_current_buf() == review.tab.left
  local index = hunks.at(is_left and review.rows.left or review.rows.right, vim.fn.line('.'))
  review.waiting.chosen[index] = not review.waiting.chosen[index]
  draw(review)
  local row = (is_left and review.rows.left or review.rows.right)[index] + hunks.lead(review.hunks[index])
  vim.api.nvim_win_set_cursor(0, { math.max(1, math.min(row, vim.fn.line('$'))), 0 })
end

---@param review pillion.Review
local function close(review)
  open = vim.tbl_filter(function(other)
    return other ~= review
  end, open)
  difftab.close(review.tab)
end

---@param review pillion.Review
local function map(review)
  local actions = approval.actions(review.waiting)
  actions.h = function()
    toggle(review)
  end
  actions['<Space>'] = actions.h
  actions.q = function()
    close(review)
    review.waiting.put_off = false
    approval.refresh()
    require('pillion.popup').focus()
  end
  for _, buf in ipairs({ review.tab.left, review.tab.right }) do
    for key, act in pairs(actions) do
      vim.keymap.set('n', key, act, { buffer = buf, nowait = true })
    end
  end
end

-- Goes to the review of a call, if there is one; what is left of one whose side was closed goes.
---@param waiting pillion.Waiting
---@return boolean
local function revisit(waiting)
  for _, review in ipairs(open) do
    if review.waiting == waiting then
      if difftab.revisit(review.tab) then
        draw(review)
        return true
      end
      close(review)
      return false
    end
  end
  return false
end

-- Shows an edit that waits. The popup makes room, and comes back with `q`.
---@param waiting pillion.Waiting
function M.open(waiting)
  local diff = waiting.approval.diff
  if not diff or #diff.hunks == 0 then
    require('pillion.client').notify('this call has no diff to review', vim.log.levels.INFO)
    return
  end
  waiting.put_off = true
  approval.refresh()
  if revisit(waiting) then
    return
  end
  local old, parts = text_of(diff.path), diff.hunks
  if not hunks.fit(old, parts) then
    old, parts = hunks.alone(parts)
  end
  local name = vim.fn.fnamemodify(diff.path, ':~:.')
  local id = ('pillion://review/%s/'):format(waiting.approval.approvalId)
  local tail = vim.fs.basename(diff.path)
  local tab = difftab.open({ name = id .. 'now/' .. tail, lines = old, bar = 'As it is', status = name }, {
    name = id .. 'then/' .. tail,
    lines = {},
    bar = 'With it · a allow · d deny · h hunk · q back',
    status = name,
  }, diff.path)
  local all = vim.tbl_map(function()
    return false
  end, parts)
  local _, left = hunks.apply(old, parts, all)
  local review = { waiting = waiting, tab = tab, old = old, hunks = parts, rows = { left = left, right = {} } }
  table.insert(open, review)
  draw(review)
  map(review)
  local first = review.rows.right[1] + hunks.lead(parts[1])
  vim.api.nvim_win_set_cursor(0, { math.max(1, math.min(first, vim.fn.line('$'))), 0 })
end

-- Closes those whose call waits no more.
---@param waits fun(waiting: pillion.Waiting): boolean
function M.sync(waits)
  for _, review in ipairs(vim.list_slice(open)) do
    if not waits(review.waiting) then
      close(review)
    elseif not vim.api.nvim_tabpage_is_valid(review.tab.page) then
      -- Closed by hand: the call still waits, and `:PillionApprovals` shows it.
      close(review)
    end
  end
end

return M
