-- Buffers without a name. `vim.lsp` shows a server none of them, since they have no URI; here they get one, from their
-- number, for as long as they have no name.
local M = {}

local SCHEME = 'untitled:'

---@class pillion.Untitled
---@field server pillion.Server
---@field is_open boolean whether the server was told of it; an empty buffer is nothing to tell of

local shown = {} ---@type table<integer, pillion.Untitled>

---@param buf integer
---@return string
function M.uri(buf)
  return SCHEME .. buf
end

---@param uri string
---@return integer? buf
function M.buffer(uri)
  local buf = vim.startswith(uri, SCHEME) and tonumber(uri:sub(#SCHEME + 1)) or nil
  return buf and shown[buf] and buf or nil
end

---@param buf integer
---@return boolean
local function is_nameless(buf)
  return vim.api.nvim_buf_is_loaded(buf)
    and vim.api.nvim_buf_get_name(buf) == ''
    and vim.bo[buf].buftype == ''
    and vim.bo[buf].buflisted
end

---@param server pillion.Server
---@param method string
---@param params table
local function notify(server, method, params)
  local client = server.client
  if not client then
    return
  elseif vim.fn.has('nvim-0.11') == 1 then
    client:notify(method, params)
  else
    client.notify(method, params) ---@diagnostic disable-line
  end
end

-- Lines of a buffer as the server has them: each with its end.
---@param buf integer
---@param first integer from 0
---@param last integer exclusive
---@return string
local function text(buf, first, last)
  local lines = vim.api.nvim_buf_get_lines(buf, first, last, false)
  return #lines > 0 and table.concat(lines, '\n') .. '\n' or ''
end

---@param buf integer
local function open(buf)
  local one = shown[buf]
  if one and not one.is_open and text(buf, 0, -1) ~= '\n' then
    one.is_open = true
    notify(one.server, 'textDocument/didOpen', {
      textDocument = {
        uri = M.uri(buf),
        version = vim.api.nvim_buf_get_changedtick(buf),
        languageId = vim.bo[buf].filetype,
        text = text(buf, 0, -1),
      },
    })
  end
end

---@param buf integer
local function close(buf)
  local one = shown[buf]
  shown[buf] = nil
  if one and one.is_open then
    notify(one.server, 'textDocument/didClose', { textDocument = { uri = M.uri(buf) } })
  end
end

---@param buf integer
---@param tick integer
---@param first integer
---@param last integer
---@param new_last integer
local function change(buf, tick, first, last, new_last)
  local one = shown[buf]
  if not one.is_open then
    return open(buf)
  end
  notify(one.server, 'textDocument/didChange', {
    textDocument = { uri = M.uri(buf), version = tick },
    contentChanges = {
      {
        range = { start = { line = first, character = 0 }, ['end'] = { line = last, character = 0 } },
        text = text(buf, first, new_last),
      },
    },
  })
end

-- Shows the server a buffer, if it has no name.
---@param server pillion.Server
---@param buf integer
function M.attach(server, buf)
  if
    shown[buf]
    or not is_nameless(buf)
    or vim.fs.normalize(require('pillion.config').options.root(buf)) ~= server.root
  then
    return
  end
  local one = { server = server, is_open = false }
  shown[buf] = one
  -- Neovim forgets these only at the next change, when another server may be shown the buffer already.
  local function is_over()
    return shown[buf] ~= one
  end
  local function leave()
    if not is_over() then
      close(buf)
    end
  end
  vim.api.nvim_buf_attach(buf, false, {
    on_lines = function(_, _, tick, first, last, new_last)
      if is_over() then
        return true
      end
      change(buf, tick, first, last, new_last)
    end,
    on_reload = leave,
    on_detach = leave,
  })
  open(buf)
end

-- It has a name now, or is no buffer to look at any more.
---@param buf integer
function M.check(buf)
  if shown[buf] and not is_nameless(buf) then
    close(buf)
  end
end

-- The server has ended.
---@param server pillion.Server
function M.forget(server)
  for buf, one in pairs(shown) do
    if one.server == server then
      shown[buf] = nil
    end
  end
end

return M
