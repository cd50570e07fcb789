-- Edits and saves that the server asks for. `vim.lsp.util` does the work; what is added here is that an edit is one
-- undo step of its own, and that an edit of an outdated text is refused in words.
local untitled = require('pillion.untitled')

local M = {}

-- Ends the undo step that is open, so that what comes next begins another; see |undo-break|. In insert mode this also
-- makes what is typed next a step of its own.
---@param buf integer
local function break_undo(buf)
  vim.bo[buf].undolevels = vim.bo[buf].undolevels
end

---@param client vim.lsp.Client
---@param document { uri: string, version: integer? }
---@return integer? buf, string? refusal
local function target(client, document)
  local nameless = untitled.buffer(document.uri)
  local buf = nameless or vim.uri_to_bufnr(document.uri)
  if type(document.version) ~= 'number' then
    return buf
  end
  if nameless then
    if vim.api.nvim_buf_get_changedtick(buf) > document.version then
      return nil, 'the buffer has changed meanwhile: ' .. document.uri
    end
  elseif not vim.lsp.buf_is_attached(buf, client.id) then
    return nil, 'the buffer is no longer open: ' .. document.uri
  elseif (vim.lsp.util.buf_versions[buf] or 0) > document.version then
    return nil, 'the buffer has changed meanwhile: ' .. document.uri
  end
  if not vim.bo[buf].modifiable then
    return nil, "the buffer is not modifiable ('nomodifiable' is set): " .. document.uri
  end
  return buf
end

---@param client vim.lsp.Client
---@param edit lsp.WorkspaceEdit
---@return integer[]? bufs, string? refusal
local function targets(client, edit)
  local bufs = {}
  for _, change in ipairs(edit.documentChanges or {}) do
    if change.textDocument then
      local buf, refusal = target(client, change.textDocument)
      if not buf then
        return nil, refusal
      end
      table.insert(bufs, buf)
    end
  end
  for uri in pairs(edit.changes or {}) do
    table.insert(bufs, untitled.buffer(uri) or vim.uri_to_bufnr(uri))
  end
  return bufs
end

-- Makes the edits of buffers without a name, and returns the rest.
---@param edit lsp.WorkspaceEdit
---@param encoding string
---@return lsp.WorkspaceEdit
local function apply_nameless(edit, encoding)
  local rest = vim.tbl_extend('force', edit, {})
  for key, changes in pairs({ documentChanges = edit.documentChanges, changes = edit.changes }) do
    rest[key] = {}
    for index, change in pairs(changes) do
      local uri = key == 'changes' and index or vim.tbl_get(change, 'textDocument', 'uri')
      local buf = uri and untitled.buffer(uri)
      if buf then
        vim.lsp.util.apply_text_edits(change.edits or change, buf, encoding)
      elseif key == 'changes' then
        rest.changes[uri] = change
      else
        table.insert(rest.documentChanges, change)
      end
    end
  end
  return rest
end

---@param client vim.lsp.Client
---@param params lsp.ApplyWorkspaceEditParams
---@return lsp.ApplyWorkspaceEditResult
function M.apply(client, params)
  local bufs, refusal = targets(client, params.edit)
  if not bufs then
    return { applied = false, failureReason = refusal }
  end
  vim.tbl_map(break_undo, bufs)
  local ok, err = pcall(function()
    local rest = apply_nameless(params.edit, client.offset_encoding)
    vim.lsp.util.apply_workspace_edit(rest, client.offset_encoding)
  end)
  vim.tbl_map(break_undo, bufs)
  return { applied = ok, failureReason = not ok and tostring(err) or nil }
end

---@param buf integer
---@return boolean saved
local function save(buf)
  if not vim.bo[buf].modified then
    return true
  end
  if require('pillion.disk').conflicts(buf) then
    return false
  end
  local ok, err = pcall(vim.api.nvim_buf_call, buf, function()
    vim.cmd('silent lockmarks update')
  end)
  if not ok then
    vim.notify('pillion: not saved: ' .. tostring(err), vim.log.levels.WARN)
  end
  return ok and not vim.bo[buf].modified
end

---@param uris string[]
---@return string[] failed
function M.save(uris)
  local bufs = {}
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buf) and vim.bo[buf].buftype == '' then
      bufs[vim.uri_from_bufnr(buf)] = buf
    end
  end
  return vim.tbl_filter(function(uri)
    return not (bufs[uri] and save(bufs[uri]))
  end, uris)
end

return M
