-- The sessions of a project, running and stored: opens one, branches off from it, names it, deletes it.
local client = require('pillion.client')

local M = {}

---@param info pillion.SessionInfo
---@return string
local function describe(info)
  local title = info.title ~= '' and info.title or '(nothing said yet)'
  local when = os.date('%Y-%m-%d %H:%M', info.updatedAt)
  return ('%s  %s%s'):format(when, title, info.turnId and '  (running)' or '')
end

---@type table<string, fun(server: pillion.Server, info: pillion.SessionInfo)>
M.actions = {}

function M.actions.open(server, info)
  local known = server.sessions[info.sessionId]
  if known then
    server.current = known
    require('pillion.chat_window').show(known.chat)
    return
  end
  -- The session is there before its events come.
  local session = require('pillion.session').open(server, info)
  require('pillion.chat_window').show(session.chat)
  server:request('session/load', { sessionId = info.sessionId, fromSeq = 1 }, function(loaded)
    session:set_turn(loaded.turnId, 'working')
  end, function(message)
    client.notify('cannot open the session: ' .. message)
    if vim.api.nvim_buf_is_valid(session.chat.buf) then
      vim.api.nvim_buf_delete(session.chat.buf, { force = true })
    end
  end)
end

function M.actions.fork(server, info)
  server:request('session/fork', { sessionId = info.sessionId }, function(forked)
    M.actions.open(server, forked)
  end)
end

function M.actions.rename(server, info)
  vim.ui.input({ prompt = 'Title: ', default = info.title }, function(title)
    if title and vim.trim(title) ~= '' then
      server:request('session/rename', { sessionId = info.sessionId, title = title })
    end
  end)
end

function M.actions.delete(server, info)
  local prompt = ('Delete "%s" for good?'):format(info.title)
  vim.ui.select({ 'Keep it', 'Delete it' }, { prompt = prompt, kind = 'pillion.confirm' }, function(answer)
    if answer ~= 'Delete it' then
      return
    end
    local known = server.sessions[info.sessionId]
    if known then
      -- What somebody watches is not deleted.
      vim.api.nvim_buf_delete(known.chat.buf, { force = true })
    end
    server:request('session/delete', { sessionId = info.sessionId }, function()
      client.notify('deleted: ' .. info.title, vim.log.levels.INFO)
    end)
  end)
end

local prompts = {
  open = 'Session',
  fork = 'Branch off from',
  rename = 'Rename',
  delete = 'Delete',
}

---@param server pillion.Server
---@param action string
function M.pick(server, action)
  local act = M.actions[action]
  if not act then
    client.notify(('there is no %q; a session can be opened, or: fork, rename, delete'):format(action))
    return
  end
  server:request('session/list', { root = server.root, limit = 500 }, function(list)
    if #list.sessions == 0 then
      client.notify('no sessions in ' .. server.root, vim.log.levels.INFO)
      return
    end
    local options = { prompt = prompts[action], kind = 'pillion.session', format_item = describe }
    vim.ui.select(list.sessions, options, function(info)
      if info then
        act(server, info)
      end
    end)
  end)
end

return M
