-- The popup of a call that waits. Its keys work only while the cursor is in it, and it takes the cursor by itself only
-- from a person who rests in normal mode: what is typed is never taken for an answer.
local approval = require('pillion.approval')
local attention = require('pillion.attention')
local config = require('pillion.config')
local diff = require('pillion.diff')
local hunks = require('pillion.hunks')

local M = {}

---@class pillion.Popup
---@field waiting pillion.Waiting
---@field view pillion.View
---@field buf integer
---@field window integer
---@field before integer the window the cursor came from
---@field armed_at integer from when on a key is an answer, in ms
---@field timer uv.uv_timer_t
---@field in_line integer how many wait
---@field took boolean whether it has taken the cursor by itself; from a person who then left, it does not again

---@type pillion.Popup?
local open

local POLL_MS = 100
local namespace = vim.api.nvim_create_namespace('pillion.popup')

---@return boolean
local function is_focused()
  return open ~= nil and vim.api.nvim_get_current_win() == open.window
end

local function close()
  if not open then
    return
  end
  local popup, was_focused = open, is_focused()
  open = nil
  popup.timer:stop()
  popup.timer:close()
  if vim.api.nvim_win_is_valid(popup.window) then
    vim.api.nvim_win_close(popup.window, true)
  end
  if was_focused and vim.api.nvim_win_is_valid(popup.before) then
    vim.api.nvim_set_current_win(popup.before)
  end
end

---@param waiting pillion.Waiting
---@return string[]
local function keys_of(waiting)
  local keys = { 'a once' }
  if #waiting.approval.rules > 0 then
    vim.list_extend(keys, { 's session', 'p project', 'u always' })
  end
  vim.list_extend(keys, { 'd deny', 'r reason' })
  if #waiting.chosen > 1 then
    table.insert(keys, 'h hunk')
  end
  if waiting.approval.diff then
    table.insert(keys, 'v view')
  end
  return vim.list_extend(keys, { 'e edit', 'c cancel', 'q later' })
end

---@param popup pillion.Popup
---@return string
local function footer(popup)
  if not is_focused() then
    return ' waits for you: rest a moment, or :PillionApprovals '
  end
  local keys = ' ' .. table.concat(keys_of(popup.waiting), ' · ') .. ' '
  if vim.fn.strdisplaywidth(keys) <= vim.api.nvim_win_get_width(popup.window) then
    return keys
  end
  return ' a once · d deny · q later · ? all keys '
end

-- The border's words and the marks of the chosen hunks.
local function decorate()
  local popup = assert(open)
  local title = popup.waiting.approval.title:gsub('\n.*', '')
  local agent = popup.waiting.approval.agent
  title = agent and ('%s: %s'):format(agent.name, title) or title
  local speaker = popup.waiting.server:speaker(popup.waiting.approval.sessionId)
  local where = popup.in_line > 1 and (' (1 of %d)'):format(popup.in_line) or ''
  vim.api.nvim_win_set_config(popup.window, {
    title = { { (' %s: %s%s '):format(speaker, title, where), 'FloatTitle' } },
    footer = { { footer(popup), is_focused() and 'Title' or 'Comment' } },
  })
  vim.api.nvim_buf_clear_namespace(popup.buf, namespace, 0, -1)
  if #popup.waiting.chosen > 1 then
    for hunk, row in ipairs(popup.view.hunk_rows) do
      local mark = popup.waiting.chosen[hunk] and '[x]' or '[ ]'
      vim.api.nvim_buf_set_extmark(popup.buf, namespace, row - 1, 0, { virt_text = { { mark, 'Special' } } })
    end
  end
  for row, line in ipairs(popup.view.lines) do
    if vim.startswith(line, '! ') then
      vim.api.nvim_buf_set_extmark(popup.buf, namespace, row - 1, 0, {
        end_col = #line,
        hl_group = 'DiagnosticWarn',
      })
    end
  end
end

local function toggle_hunk()
  local popup = assert(open)
  local hunk = hunks.at(popup.view.hunk_rows, vim.api.nvim_win_get_cursor(popup.window)[1])
  if #popup.waiting.chosen > 1 then
    popup.waiting.chosen[hunk] = not popup.waiting.chosen[hunk]
    decorate()
  end
end

-- Gives the cursor back, with a key that was meant for where it was.
---@param key string
local function give_back(key)
  local popup = assert(open)
  popup.took = false
  if vim.api.nvim_win_is_valid(popup.before) then
    vim.api.nvim_set_current_win(popup.before)
    vim.api.nvim_feedkeys(vim.keycode(key), 'mti', false)
  end
end

---@param popup pillion.Popup
local function map(popup)
  local waiting = popup.waiting
  local actions = approval.actions(waiting)
  actions.h = toggle_hunk
  actions.v = function()
    require('pillion.review').open(waiting)
  end
  actions.e = function()
    require('pillion.input_editor').open(waiting)
  end
  actions['?'] = function()
    require('pillion.client').notify(table.concat(keys_of(waiting), ', '), vim.log.levels.INFO)
  end
  actions.q = function()
    approval.put_off(waiting)
  end
  actions['<Esc>'] = actions.q
  for key, act in pairs(actions) do
    vim.keymap.set('n', key, function()
      if not M.is_armed() then
        give_back(key)
      else
        act()
      end
    end, { buffer = popup.buf, nowait = true })
  end
end

-- Where it hides least: in the half of the screen that the cursor is not in.
---@param lines string[]
---@return table
local function geometry(lines)
  local width = math.min(110, vim.o.columns - 4)
  local rows = 0
  for _, line in ipairs(lines) do
    rows = rows + math.max(1, math.ceil(vim.fn.strdisplaywidth(line) / width))
  end
  local height = math.max(1, math.min(rows, math.floor((vim.o.lines - 4) / 2)))
  local screen_row = vim.fn.screenpos(0, vim.fn.line('.'), 1).row
  local low = screen_row <= vim.o.lines / 2
  return {
    relative = 'editor',
    width = width,
    height = height,
    row = low and vim.o.lines - vim.o.cmdheight - height - 3 or 1,
    col = math.floor((vim.o.columns - width - 2) / 2),
  }
end

---@param waiting pillion.Waiting
---@param in_line integer
local function create(waiting, in_line)
  local view = diff.view(waiting.approval)
  local buf = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_lines(buf, 0, -1, true, view.lines)
  vim.bo[buf].bufhidden, vim.bo[buf].modifiable = 'wipe', false
  local options = geometry(view.lines)
  options.style, options.border, options.zindex, options.noautocmd = 'minimal', 'rounded', 60, true
  local window = vim.api.nvim_open_win(buf, false, options)
  vim.wo[window].wrap = true
  if waiting.approval.diff and not waiting.approval.command then
    vim.bo[buf].syntax = 'diff'
  end
  open = {
    waiting = waiting,
    view = view,
    buf = buf,
    window = window,
    before = vim.api.nvim_get_current_win(),
    armed_at = 0,
    timer = assert(vim.uv.new_timer()),
    in_line = in_line,
    took = false,
  }
  map(open)
end

-- Takes the cursor once the person rests.
local function watch()
  local popup = assert(open)
  local function look()
    if open ~= popup or is_focused() then
      return
    end
    if not vim.api.nvim_win_is_valid(popup.window) then
      -- Closed by hand: the call still waits.
      approval.put_off(popup.waiting)
    elseif
      config.options.approval.focus
      and not popup.took
      and attention.is_resting(config.options.approval.idle_ms)
    then
      M.focus()
      popup.took = true
      popup.armed_at = vim.uv.now() + config.options.approval.guard_ms
    end
  end
  popup.timer:start(POLL_MS, POLL_MS, vim.schedule_wrap(look))
  look()
end

-- Shows a call that waits, or nothing.
---@param waiting pillion.Waiting?
---@param in_line integer how many wait
function M.show(waiting, in_line)
  if open and open.waiting == waiting and vim.api.nvim_win_is_valid(open.window) then
    open.in_line = in_line
    decorate()
    return
  end
  close()
  if waiting then
    create(waiting, in_line)
    decorate()
    watch()
  end
end

-- Goes into the popup; its keys answer from then on.
function M.focus()
  if not open then
    return
  end
  if not is_focused() then
    open.before = vim.api.nvim_get_current_win()
  end
  open.armed_at = 0
  vim.cmd.stopinsert()
  vim.api.nvim_set_current_win(open.window)
  decorate()
end

-- Whether a key pressed now would be an answer.
---@return boolean
function M.is_armed()
  return open ~= nil and is_focused() and vim.uv.now() >= open.armed_at
end

-- Draws the border's words again after the cursor came or went by itself.
vim.api.nvim_create_autocmd('WinEnter', {
  group = vim.api.nvim_create_augroup('pillion.popup', {}),
  callback = function()
    if open and vim.api.nvim_win_is_valid(open.window) then
      decorate()
    end
  end,
})

return M
