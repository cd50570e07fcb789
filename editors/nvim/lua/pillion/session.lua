-- A conversation: what its events mean, and where they are shown.
local attention = require('pillion.attention')
local chat = require('pillion.chat')
local client = require('pillion.client')
local events = require('pillion.events')
local text = require('pillion.text')

local M = {}

---@class pillion.Call a tool call, as the chat shows it
---@field title string
---@field tool string
---@field input table
---@field line pillion.Line
---@field state string one of the keys of `text.marks`
---@field note string? what is said after the title; while it runs and when absent, the end of what it printed
---@field output string the end of what it printed, or its result
---@field diff pillion.FileDiff?

---@class pillion.Session
---@field id string
---@field server pillion.Server
---@field chat pillion.Chat
---@field last_seq integer
---@field turn string? the turn that runs
---@field doing string? what it does now, in a word or two
---@field title string
---@field calls table<string, pillion.Call>
---@field asked table<string, pillion.Call> the calls that wait for an answer, by approval
---@field model string
---@field mode pillion.Mode
---@field changes pillion.FileChange[]? what its turns changed, as it was when looked at last
---@field fresh table<string, true> the turns that this Neovim has seen at work
---@field looking boolean? whether the changes are looked at soon
---@field plan pillion.Line? the running turn's
---@field usage pillion.Usage? of the running turn, so far
---@field cost pillion.Cost? of all turns before it
---@field context pillion.ContextUse?
---@field replay_to integer events up to this number are old: they are shown, and nobody is told
local Session = {}
Session.__index = Session

-- The server's error codes for a turn that is not there, and for a session that is busy with one.
local NOT_FOUND, BUSY = -32001, -32003

---@param server pillion.Server
---@param info pillion.SessionInfo
---@return pillion.Session
function M.open(server, info)
  local known = server.sessions[info.sessionId]
  if known then
    return known
  end
  local session = setmetatable({
    id = info.sessionId,
    server = server,
    last_seq = 0,
    title = info.title,
    model = info.model,
    mode = info.mode,
    calls = {},
    asked = {},
    fresh = {},
    replay_to = info.lastSeq,
  }, Session)
  session.chat = chat.new(session)
  server.sessions[session.id] = session
  server.current = session
  return session
end

---@return pillion.Session[]
function M.all()
  local sessions = {}
  for _, server in pairs(client.servers) do
    vim.list_extend(sessions, vim.tbl_values(server.sessions))
  end
  return sessions
end

---@param turn string?
---@param doing string?
function Session:set_turn(turn, doing)
  self.turn, self.doing = turn, doing
  local running = false
  for _, session in ipairs(M.all()) do
    running = running or session.turn ~= nil
  end
  attention.watch('turn', running)
  require('pillion.statusline').changed()
end

---@param doing string
function Session:set_doing(doing)
  if self.doing ~= doing then
    self.doing = doing
    require('pillion.statusline').changed()
  end
end

-- Takes note of what a model call took, and how full the context is.
---@param event table of type `usage`
function Session:count(event)
  self.usage = event.turn
  self.context = event.context or self.context
  require('pillion.statusline').changed()
end

---@param usage pillion.Usage of a turn that has ended
function Session:add_cost(usage)
  self.cost = text.sum(self.cost, usage.cost)
end

-- Nobody waits for an answer any more.
function Session:drop_inquiries()
  local function is_ours(one)
    return one.session_id == self.id
  end
  require('pillion.approval').queue:drop(is_ours)
  require('pillion.question').queue:drop(is_ours)
end

-- Whether the event at hand is new, and not one of a replay.
---@return boolean
function Session:is_live()
  return self.last_seq > self.replay_to
end

---@param seq integer
---@param event table
function Session:on_event(seq, event)
  if seq <= self.last_seq then
    return
  end
  self.last_seq = seq
  local handle = events[event.type]
  if handle then
    handle(self, event)
  end
end

-- Says it to the turn that runs, or starts one. Which of the two it is may have changed on the way.
---@param prompt pillion.ContentBlock[]
---@param refused fun() called if it was not said, after the person was told why
function Session:say(prompt, refused)
  local params = { sessionId = self.id, prompt = prompt }
  local methods = self.turn and { 'turn/steer', 'turn/start' } or { 'turn/start', 'turn/steer' }
  local function fail(message)
    client.notify(message)
    refused()
  end
  self.server:request(methods[1], params, nil, function(message, code)
    if code == NOT_FOUND or code == BUSY then
      self.server:request(methods[2], params, nil, fail, refused)
    else
      fail(message)
    end
  end, refused)
end

function Session:cancel()
  self.server:request('turn/cancel', { sessionId = self.id }, function(result)
    if not result.cancelled then
      client.notify('no turn is running', vim.log.levels.INFO)
    end
  end)
end

---@param code integer
---@param signal integer
function Session:on_server_end(code, signal)
  local how = signal ~= 0 and ('signal %d'):format(signal) or ('code %d'):format(code)
  self.chat:line(('%s The server ended (%s).'):format(text.marks.warning, how))
  self:set_turn(nil)
end

-- Watches the session again after the server was started anew, from where it was.
function Session:resume()
  local params = { sessionId = self.id, fromSeq = self.last_seq + 1 }
  self.server:request('session/load', params, function(info)
    self.chat:line(('%s The server is back, the session goes on.'):format(text.marks.info))
    if info.turnId then
      self:set_turn(info.turnId, 'working')
    end
  end, function(message)
    self.chat:line(('%s The session could not be resumed: %s'):format(text.marks.error, message))
    client.notify(text.brief('the session could not be resumed: ' .. message))
  end)
end

-- Stops watching; called when the chat's buffer goes.
function Session:close()
  self.server.sessions[self.id] = nil
  if self.server.current == self then
    self.server.current = nil
  end
  self:drop_inquiries()
  if self.server.ready then
    self.server:request('session/close', { sessionId = self.id })
  end
  self:set_turn(nil)
end

return M
