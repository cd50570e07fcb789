-- Chooses among the sessions of a project, running and stored.
local M = {}

---@param info pillion.SessionInfo
---@return string
local function describe(info)
  local title = info.title ~= '' and info.title or '(nothing said yet)'
  local when = os.date('%Y-%m-%d %H:%M', info.updatedAt)
  return ('%s  %s%s'):format(when, title, info.turnId and '  (running)' or '')
end

---@param server pillion.Server
---@param info pillion.SessionInfo
local function open(server, info)
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
    require('pillion.client').notify('cannot open the session: ' .. message)
    vim.api.nvim_buf_delete(session.chat.buf, { force = true })
  end)
end

---@param server pillion.Server
function M.pick(server)
  server:request('session/list', { root = server.root }, function(list)
    if #list.sessions == 0 then
      require('pillion.client').notify('no sessions in ' .. server.root, vim.log.levels.INFO)
      return
    end
    vim.ui.select(list.sessions, { prompt = 'Session', format_item = describe }, function(info)
      if info then
        open(server, info)
      end
    end)
  end)
end

return M
