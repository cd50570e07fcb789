-- Signs on the places that a turn changed, until the person was there. They move with the text.
local M = {}

---@class pillion.Place a hunk that a sign stands for
---@field buf integer
---@field mark integer
---@field visited boolean whether the cursor is in it, or was

local namespace = vim.api.nvim_create_namespace('pillion.changes')
local places = {} ---@type table<string, pillion.Place> by hunk
local seen = {} ---@type table<string, true>

---@param change pillion.FileChange
---@param hunk pillion.ChangeHunk
---@return string
function M.key(change, hunk)
  return table.concat({ change.turnId, change.uri, hunk.id }, '\0')
end

---@param buf integer
---@param mark integer
---@return integer? first, integer? last rows, from 0
local function rows(buf, mark)
  if not vim.api.nvim_buf_is_loaded(buf) then
    return nil
  end
  local at = vim.api.nvim_buf_get_extmark_by_id(buf, namespace, mark, { details = true })
  return at[1], at[3] and math.max(at[1], at[3].end_row or at[1])
end

---@param key string
local function remove(key)
  local place = places[key]
  places[key] = nil
  if place and vim.api.nvim_buf_is_valid(place.buf) then
    vim.api.nvim_buf_del_extmark(place.buf, namespace, place.mark)
  end
end

-- Takes signs away whose hunks were seen.
---@param key string
function M.see(key)
  seen[key] = true
  remove(key)
end

---@param key string
---@return boolean
function M.is_seen(key)
  return seen[key] == true
end

-- Where a hunk stands now, if it has a sign.
---@param key string
---@return integer? first, integer? last rows, from 0
function M.rows(key)
  local place = places[key]
  if place then
    return rows(place.buf, place.mark)
  end
end

local function visit()
  local buf, row = vim.api.nvim_get_current_buf(), vim.fn.line('.') - 1
  for key, place in pairs(places) do
    local first, last = rows(place.buf, place.mark)
    if place.buf == buf and first and row >= first and row <= last then
      place.visited = true
    elseif place.visited then
      M.see(key)
    end
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

---@param buf integer
---@param change pillion.FileChange
---@param hunk pillion.ChangeHunk
local function put(buf, change, hunk)
  local count = vim.api.nvim_buf_line_count(buf)
  local first = math.min(hunk.range.start.line, count - 1)
  local last = math.min(math.max(hunk.range['end'].line - 1, first), count - 1)
  local kind = hunk.new == '' and 'Removed' or (hunk.old == '' and 'Added' or 'Changed')
  local mark = vim.api.nvim_buf_set_extmark(buf, namespace, first, 0, {
    end_row = last,
    end_col = #vim.api.nvim_buf_get_lines(buf, last, last + 1, true)[1],
    sign_text = hunk.new == '' and '▁' or '▎',
    sign_hl_group = kind,
    priority = 8,
    strict = false,
  })
  places[M.key(change, hunk)] = { buf = buf, mark = mark, visited = false }
end

-- Puts signs on what stands and was not seen, and takes those away whose hunks do not stand any more.
---@param changes pillion.FileChange[]
---@param find fun(uri: string): integer? the buffer of a document
function M.show(changes, find)
  local standing = {}
  for _, change in ipairs(changes) do
    local buf = find(change.uri)
    for _, hunk in ipairs(change.hunks) do
      local key = M.key(change, hunk)
      standing[key] = hunk.state == 'kept' and buf ~= nil
      if standing[key] and not places[key] and not seen[key] and hunk.range and buf then
        put(buf, change, hunk)
      end
    end
  end
  for key in pairs(places) do
    if standing[key] == false then
      remove(key)
    end
  end
  watch()
end

return M
