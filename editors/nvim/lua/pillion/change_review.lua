-- A file that a turn changed, in diff mode: what it was on the left, and the file itself on the right, where everything
-- works as in any window.
local difftab = require('pillion.difftab')

local M = {}

local open = {} ---@type table<string, pillion.DiffTab> by turn and file

---@param session pillion.Session
---@param change pillion.FileChange
---@param use fun(texts: pillion.ChangeTextResponse)
local function with_texts(session, change, use)
  session.server:request(
    'change/text',
    { sessionId = session.id, turnId = change.turnId, uri = change.uri },
    use,
    function(message)
      require('pillion.client').notify(message)
    end
  )
end

---@param whole string
---@return string[]
local function lines_of(whole)
  return vim.split((whole:gsub('\r\n', '\n'):gsub('\n$', '')), '\n', { plain = true })
end

---@param tab pillion.DiffTab
---@param texts pillion.ChangeTextResponse
local function fill(tab, texts)
  vim.bo[tab.left].modifiable = true
  vim.api.nvim_buf_set_lines(tab.left, 0, -1, true, lines_of(texts.before))
  vim.bo[tab.left].modifiable = false
end

---@param session pillion.Session
---@param change pillion.FileChange
function M.open(session, change)
  with_texts(session, change, function(texts)
    local path = vim.uri_to_fname(change.uri)
    local id = ('pillion://before/%s/%s'):format(change.turnId, path)
    local before = open[id]
    if before and difftab.revisit(before) then
      return fill(before, texts)
    elseif before then
      difftab.close(before)
    end
    local name = vim.fn.fnamemodify(path, ':~:.')
    local right = { bar = 'As it is · :PillionRevert takes a hunk back', status = name }
    if change.kind == 'delete' then
      right.name, right.lines = id .. '/deleted', {}
    else
      right.buf = require('pillion.untitled').buffer(change.uri) or vim.fn.bufadd(path)
      vim.fn.bufload(right.buf)
    end
    local tab =
      difftab.open({ name = id, lines = lines_of(texts.before), bar = 'As it was', status = name }, right, path)
    open[id] = tab
    vim.keymap.set('n', 'q', function()
      difftab.close(tab)
      open[id] = nil
    end, { buffer = tab.left, nowait = true, desc = 'Pillion: close the review' })
    M.follow(session, change, tab)
  end)
end

-- Keeps the left side true while the file changes.
---@param session pillion.Session
---@param change pillion.FileChange
---@param tab pillion.DiffTab
function M.follow(session, change, tab)
  vim.api.nvim_create_autocmd('User', {
    pattern = 'PillionChanges',
    callback = function()
      if not vim.api.nvim_buf_is_loaded(tab.left) then
        return true
      end
      with_texts(session, change, function(texts)
        if vim.api.nvim_buf_is_loaded(tab.left) then
          fill(tab, texts)
        end
      end)
    end,
  })
end

return M
