-- What |vim.diagnostic| knows, and for which version of a buffer it was found out.
local M = {}

-- The |b:changedtick| that a buffer's diagnostics are for, where something has reported on it.
local checked = {} ---@type table<integer, integer>
local watching = false

-- Notes from now on which version is checked. A language server that says which one it has looked at is believed: what
-- it says may arrive when the buffer has changed again.
function M.watch()
  if watching then
    return
  end
  watching = true
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buf) and #vim.diagnostic.get(buf) > 0 then
      checked[buf] = vim.api.nvim_buf_get_changedtick(buf)
    end
  end
  local published ---@type integer?
  local method = 'textDocument/publishDiagnostics'
  local publish = vim.lsp.handlers[method]
  vim.lsp.handlers[method] = function(err, params, ...)
    published = params and tonumber(params.version) or nil
    local result = publish(err, params, ...)
    published = nil
    return result
  end
  local group = vim.api.nvim_create_augroup('pillion.diagnostics', {})
  vim.api.nvim_create_autocmd('DiagnosticChanged', {
    group = group,
    callback = function(args)
      local version = vim.lsp.util.buf_versions[args.buf]
      local is_late = published and version and published < version
      checked[args.buf] = vim.api.nvim_buf_get_changedtick(args.buf) - (is_late and 1 or 0)
    end,
  })
  vim.api.nvim_create_autocmd({ 'BufUnload', 'BufWipeout' }, {
    group = group,
    callback = function(args)
      checked[args.buf] = nil
    end,
  })
end

-- A place as the server counts it.
---@param buf integer
---@param line integer from 0
---@param column integer bytes, from 0
---@param encoding string
---@return pillion.DiagnosticPosition
function M.place(buf, line, column, encoding)
  local character = column
  if encoding ~= 'utf-8' and vim.api.nvim_buf_is_loaded(buf) then
    character = vim.lsp.util.character_offset(buf, line, column, encoding)
  end
  return { line = line, character = character }
end

-- What is known of these documents, or of all. A buffer that nothing has reported on is left out.
---@param client vim.lsp.Client
---@param params pillion.EditorDiagnosticsParams
---@return pillion.EditorDiagnosticsResponse
function M.read(client, params)
  local wanted = params.uris and {} ---@type table<string, true>?
  for _, uri in ipairs(params.uris or {}) do
    assert(wanted)[uri] = true
  end
  local files = {}
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    local uri = vim.api.nvim_buf_get_name(buf) ~= '' and vim.uri_from_bufnr(buf) or nil
    local found = vim.diagnostic.get(buf)
    if uri and (not wanted or wanted[uri]) and (checked[buf] or #found > 0) then
      local items = vim.tbl_map(function(problem)
        local encoding = client.offset_encoding or 'utf-16'
        return {
          range = {
            start = M.place(buf, problem.lnum, problem.col, encoding),
            ['end'] = M.place(buf, problem.end_lnum or problem.lnum, problem.end_col or problem.col, encoding),
          },
          severity = problem.severity,
          message = problem.message,
          source = problem.source,
          code = problem.code,
        }
      end, found)
      -- What servers call the version counts from another number than the tick does.
      local version = vim.api.nvim_buf_is_loaded(buf) and vim.lsp.util.buf_versions[buf] or nil
      if version and checked[buf] and checked[buf] < vim.api.nvim_buf_get_changedtick(buf) then
        version = version - 1
      end
      table.insert(files, { uri = uri, version = version, items = items })
    end
  end
  return { files = files }
end

return M
