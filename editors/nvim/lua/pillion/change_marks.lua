-- Signs on the places that a turn changed, until the person was there. They move with the text.
local M = {}

---@class pillion.Place a hunk that stands
---@field turn string
---@field uri string
---@field id string the hunk's, which is another one when the turn has edited the file again
---@field old string
---@field new string
---@field buf integer? where its mark is
---@field mark integer?
---@field visited boolean? whether the cursor is in it, or was
---@field seen boolean? whether its sign is gone for good

local namespace = vim.api.nvim_create_namespace('pillion.changes')
local places = {} ---@type pillion.Place[]

---@param place pillion.Place
---@return integer? first, integer? last rows, from 0; nothing if the buffer was not loaded since
local function rows(place)
  if not place.buf or not vim.api.nvim_buf_is_loaded(place.buf) then
    return nil
  end
  local at = vim.api.nvim_buf_get_extmark_by_id(place.buf, namespace, place.mark, { details = true })
  return at[1], at[3] and math.max(at[1], at[3].end_row or at[1])
end

---@param place pillion.Place
---@param first integer
---@param last integer
local function draw(place, first, last)
  local kind = place.new == '' and 'Removed' or (place.old == '' and 'Added' or 'Changed')
  place.mark = vim.api.nvim_buf_set_extmark(place.buf, namespace, first, 0, {
    id = place.mark,
    end_row = last,
    end_col = #vim.api.nvim_buf_get_lines(place.buf, last, last + 1, true)[1],
    sign_text = not place.seen and (place.new == '' and '▁' or '▎') or nil,
    sign_hl_group = not place.seen and kind or nil,
    priority = 8,
    strict = false,
  })
end

---@param place pillion.Place
local function remove(place)
  if place.buf and vim.api.nvim_buf_is_valid(place.buf) then
    vim.api.nvim_buf_del_extmark(place.buf, namespace, place.mark)
  end
end

-- Takes the sign away; the mark stays, to tell the place from others where the same was changed.
---@param place pillion.Place
local function see(place)
  local first, last = rows(place)
  place.seen = true
  if first then
    draw(place, first, last)
  end
end

---@param change pillion.FileChange
---@param hunk pillion.ChangeHunk
---@return pillion.Place?
local function place_of(change, hunk)
  for _, place in ipairs(places) do
    if place.turn == change.turnId and place.uri == change.uri and place.id == hunk.id then
      return place
    end
  end
end

-- Takes the sign of a hunk away: it was seen.
---@param change pillion.FileChange
---@param hunk pillion.ChangeHunk
function M.see(change, hunk)
  local place = place_of(change, hunk)
  if place then
    see(place)
  end
end

-- Where a hunk stands now, if that is followed.
---@param change pillion.FileChange
---@param hunk pillion.ChangeHunk
---@return integer? first, integer? last rows, from 0
function M.rows(change, hunk)
  local place = place_of(change, hunk)
  if place then
    return rows(place)
  end
end

local function visit()
  local buf, row = vim.api.nvim_get_current_buf(), vim.fn.line('.') - 1
  for _, place in ipairs(places) do
    local first, last = rows(place)
    if place.seen then
      goto continue
    elseif place.buf == buf and first and row >= first and row <= last then
      place.visited = true
    elseif place.visited then
      see(place)
    end
    ::continue::
  end
end

local watching = false

local function watch()
  if not watching then
    watching = true
    vim.api.nvim_create_autocmd({ 'CursorMoved', 'CursorMovedI', 'BufEnter' }, {
      group = vim.api.nvim_create_augroup('pillion.changes', {}),
      callback = visit,
    })
  end
end

---@param place pillion.Place
---@param buf integer
---@param range pillion.DiagnosticRange
local function put(place, buf, range)
  local count = vim.api.nvim_buf_line_count(buf)
  local first = math.min(range.start.line, count - 1)
  local last = math.min(math.max(range['end'].line - 1, first), count - 1)
  place.buf, place.mark = buf, nil
  draw(place, first, last)
end

---@class pillion.Standing a hunk that stands, and the place that was known of it
---@field change pillion.FileChange
---@field hunk pillion.ChangeHunk
---@field place pillion.Place?

-- Finds a place again, by what was changed: ids do not last.
---@param known pillion.Place[] from which it is taken
---@param one pillion.Standing
---@param is_there boolean whether it must be where the hunk is, since the same may be changed in several places
---@return pillion.Place?
local function take(known, one, is_there)
  for index, place in ipairs(known) do
    if
      place.turn == one.change.turnId
      and place.uri == one.change.uri
      and place.old == one.hunk.old
      and place.new == one.hunk.new
      and (not is_there or one.hunk.range and rows(place) == one.hunk.range.start.line)
    then
      return table.remove(known, index)
    end
  end
end

-- Puts signs on what stands and was not seen, and takes those away whose hunks do not stand any more.
---@param turns table<string, true>
---@param changes pillion.FileChange[] all of these turns
---@param find fun(uri: string): integer? the buffer of a document
function M.show(turns, changes, find)
  local standing = {} ---@type pillion.Standing[]
  for _, change in ipairs(changes) do
    for _, hunk in ipairs(change.hunks) do
      if hunk.state == 'kept' then
        table.insert(standing, { change = change, hunk = hunk })
      end
    end
  end
  local known, others = {}, {} ---@type pillion.Place[], pillion.Place[]
  for _, place in ipairs(places) do
    table.insert(turns[place.turn] and known or others, place)
  end
  for _, is_there in ipairs({ true, false }) do
    for _, one in ipairs(standing) do
      one.place = one.place or take(known, one, is_there)
    end
  end
  vim.tbl_map(remove, known)
  places = others
  for _, one in ipairs(standing) do
    local change, hunk, buf = one.change, one.hunk, find(one.change.uri)
    local place = one.place or { turn = change.turnId, uri = change.uri, old = hunk.old, new = hunk.new }
    place.id = hunk.id
    if buf and hunk.range and not rows(place) then
      put(place, buf, hunk.range)
    end
    table.insert(places, place)
  end
  watch()
end

return M
