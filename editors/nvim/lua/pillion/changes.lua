-- What turns changed: signs, a list of the places, and taking them back. The server knows what there is and does it.
local client = require('pillion.client')
local marks = require('pillion.change_marks')
local text = require('pillion.text')

local M = {}

-- Chosen by hand: edits of one round come close together.
local SETTLE_MS = 50

---@param uri string
---@return integer? buf if it is loaded
local function buffer_of(uri)
  local nameless = require('pillion.untitled').buffer(uri)
  if nameless then
    return nameless
  end
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buf) and vim.uri_from_bufnr(buf) == uri then
      return buf
    end
  end
end

---@param session pillion.Session
---@param changes pillion.FileChange[]
local function update(session, changes)
  session.changes = changes
  if require('pillion.config').options.changes.signs then
    local fresh = vim.tbl_filter(function(change)
      return session.fresh[change.turnId]
    end, changes)
    marks.show(session.fresh, fresh, buffer_of)
  end
end

---@param session pillion.Session
local function look(session)
  session.server:request('change/list', { sessionId = session.id }, function(result)
    update(session, result.changes)
    vim.api.nvim_exec_autocmds('User', { pattern = 'PillionChanges', modeline = false })
  end)
end

-- What a turn changed is other than it was.
---@param session pillion.Session
---@param turn string
function M.changed(session, turn)
  session.fresh[turn] = true
  if session.looking then
    return
  end
  session.looking = true
  vim.defer_fn(function()
    session.looking = false
    look(session)
  end, SETTLE_MS)
end

-- A file was read that may have been changed before: its signs are put up.
---@param session pillion.Session
function M.reread(session)
  if session.changes and #session.changes > 0 then
    look(session)
  end
end

-- Hands over the changes of the session as they are now.
---@param use fun(session: pillion.Session, changes: pillion.FileChange[])
local function with_changes(use)
  local session = require('pillion').current()
  if not session then
    client.notify('no session yet; :Pillion starts one', vim.log.levels.INFO)
    return
  end
  session.server:request('change/list', { sessionId = session.id }, function(result)
    update(session, result.changes)
    if #result.changes == 0 then
      client.notify('nothing was changed in this session', vim.log.levels.INFO)
    else
      use(session, result.changes)
    end
  end)
end

---@class pillion.Spot a hunk, or a file without any, and where it is
---@field change pillion.FileChange
---@field hunk pillion.ChangeHunk?
---@field row integer from 0
---@field last integer

---@param change pillion.FileChange
---@param hunk pillion.ChangeHunk
---@return pillion.Spot
local function spot(change, hunk)
  local row, last = marks.rows(change, hunk)
  if not row and hunk.range then
    row = hunk.range.start.line
    last = math.max(row, hunk.range['end'].line - 1)
  end
  return { change = change, hunk = hunk, row = row or 0, last = last or row or 0 }
end

-- What stands, in the order of the files; of one turn, or of all.
---@param changes pillion.FileChange[]
---@param turn string?
---@return pillion.Spot[]
local function spots(changes, turn)
  local found = {}
  for _, change in ipairs(changes) do
    if change.state == 'kept' and (not turn or change.turnId == turn) then
      for _, hunk in ipairs(change.hunks) do
        if hunk.state == 'kept' then
          table.insert(found, spot(change, hunk))
        end
      end
      if #change.hunks == 0 then
        table.insert(found, { change = change, row = 0, last = 0 })
      end
    end
  end
  return found
end

---@param changes pillion.FileChange[]
---@return string
local function last_turn(changes)
  return changes[#changes].turnId
end

local kinds = { create = 'new file', delete = 'deleted', move = 'moved' }

---@param one pillion.Spot
---@return string
local function describe(one)
  if not one.hunk then
    return kinds[one.change.kind] or 'changed'
  end
  local first = text.first_line(one.hunk.new ~= '' and one.hunk.new or one.hunk.old)
  return (one.hunk.new == '' and '− ' or '') .. first
end

-- The quickfix list of what the latest turn changed, or all of them.
---@param of_all boolean
function M.list(of_all)
  with_changes(function(_, changes)
    local items = vim.tbl_map(function(one)
      local buf = buffer_of(one.change.uri)
      return {
        bufnr = buf,
        filename = not buf and vim.uri_to_fname(one.change.uri) or nil,
        lnum = one.row + 1,
        end_lnum = one.last + 1,
        text = describe(one),
      }
    end, spots(changes, not of_all and last_turn(changes) or nil))
    if #items == 0 then
      client.notify('nothing that was changed is left', vim.log.levels.INFO)
      return
    end
    vim.fn.setqflist(
      {},
      ' ',
      { title = of_all and 'Pillion: all changes' or 'Pillion: the latest changes', items = items }
    )
    vim.cmd('botright copen')
  end)
end

-- Goes to the next place that was changed, or the one before, through all files.
---@param step 1|-1
function M.go(step)
  with_changes(function(_, changes)
    local all = vim.tbl_filter(function(one)
      return one.hunk ~= nil
    end, spots(changes))
    local buf, row = vim.api.nvim_get_current_buf(), vim.fn.line('.') - 1
    local target
    for index = step > 0 and 1 or #all, step > 0 and #all or 1, step do
      local one = all[index]
      if buffer_of(one.change.uri) == buf and (one.row - row) * step > 0 then
        target = one
        break
      end
    end
    target = target
      or vim.iter(step > 0 and all or vim.iter(all):rev():totable()):find(function(one)
        return buffer_of(one.change.uri) ~= buf
      end)
      or all[step > 0 and 1 or #all]
    if target then
      M.visit(target.change.uri)
      vim.cmd("normal! m'")
      vim.api.nvim_win_set_cursor(0, { math.min(target.row + 1, vim.fn.line('$')), 0 })
    end
  end)
end

-- Shows a document in this window.
---@param uri string
function M.visit(uri)
  local buf = buffer_of(uri) or vim.fn.bufadd(vim.uri_to_fname(uri))
  vim.bo[buf].buflisted = true
  if vim.api.nvim_get_current_buf() ~= buf then
    vim.api.nvim_win_set_buf(0, buf)
  end
end

---@alias pillion.Extent 'hunk'|'file'|'turn'

-- What is meant: the hunk at the cursor, what the latest turn did to this file, or all that it did.
---@param changes pillion.FileChange[]
---@param extent pillion.Extent
---@return pillion.Spot[]
local function meant(changes, extent)
  if extent == 'turn' then
    return spots(changes, last_turn(changes))
  end
  local buf, row = vim.api.nvim_get_current_buf(), vim.fn.line('.') - 1
  local here = vim.tbl_filter(function(one)
    return buffer_of(one.change.uri) == buf
  end, spots(changes))
  if extent == 'hunk' then
    return vim.tbl_filter(function(one)
      return one.hunk and row >= one.row and row <= one.last
    end, here)
  end
  local turn = here[#here] and here[#here].change.turnId
  return vim.tbl_filter(function(one)
    return one.change.turnId == turn
  end, here)
end

local nothing = {
  hunk = 'nothing was changed at the cursor',
  file = 'nothing that was changed in this file is left',
  turn = 'nothing that the latest turn changed is left',
}

---@param extent pillion.Extent
---@param use fun(session: pillion.Session, found: pillion.Spot[])
local function with_meant(extent, use)
  if not nothing[extent] then
    client.notify(('there is no extent %q: it is hunk, file or turn'):format(extent))
    return
  end
  with_changes(function(session, changes)
    local found = meant(changes, extent)
    if #found == 0 then
      client.notify(nothing[extent], vim.log.levels.INFO)
    else
      use(session, found)
    end
  end)
end

-- It is as it should be: its signs go.
---@param extent pillion.Extent
function M.keep(extent)
  with_meant(extent, function(_, found)
    for _, one in ipairs(found) do
      if one.hunk then
        marks.see(one.change, one.hunk)
      end
    end
  end)
end

---@param session pillion.Session
---@param result pillion.ChangeRevertResponse
local function tell(session, result)
  local count = 0
  for _, one in ipairs(result.reverted) do
    count = count + math.max(1, #one.hunks)
  end
  local said = ('took back %d %s'):format(count, count == 1 and 'change' or 'changes')
  for _, one in ipairs(result.refused) do
    local name = vim.fn.fnamemodify(vim.uri_to_fname(one.uri), ':~:.')
    local why = ('%s stays as it is: %s'):format(name, one.reason)
    session.chat:line(('%s %s'):format(text.marks.warning, why))
    said = count > 0 and ('%s; %s'):format(said, why) or why
  end
  if count == 0 and #result.refused == 0 then
    said = 'it was taken back before'
  end
  client.notify(text.brief(said), #result.refused > 0 and vim.log.levels.WARN or vim.log.levels.INFO)
end

-- Takes it back. What the person has changed since stays, and they are told.
---@param extent pillion.Extent
function M.revert(extent)
  with_meant(extent, function(session, found)
    local change = found[1].change
    local params = { sessionId = session.id, turnId = change.turnId }
    if extent ~= 'turn' then
      params.uri = change.uri
    end
    if extent == 'hunk' then
      params.hunks = { found[1].hunk.id }
    end
    session.server:request('change/revert', params, function(result)
      tell(session, result)
    end)
  end)
end

-- The changed file that the person is in, or else one of their choice, side by side with what it was.
function M.review()
  with_changes(function(session, changes)
    local found = vim.tbl_filter(function(change)
      return change.state == 'kept'
    end, changes)
    local buf = vim.api.nvim_get_current_buf()
    for index = #found, 1, -1 do
      if buffer_of(found[index].uri) == buf then
        require('pillion.change_review').open(session, found[index])
        return
      end
    end
    vim.ui.select(found, {
      prompt = 'Changed files',
      kind = 'pillion.change',
      format_item = function(change)
        local name = vim.fn.fnamemodify(vim.uri_to_fname(change.uri), ':~:.')
        return kinds[change.kind] and ('%s (%s)'):format(name, kinds[change.kind]) or name
      end,
    }, function(change)
      if change then
        require('pillion.change_review').open(session, change)
      end
    end)
  end)
end

return M
