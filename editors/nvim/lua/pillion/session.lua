-- A conversation: what its events mean, and where they are shown.
local attention = require('pillion.attention')
local chat = require('pillion.chat')
local client = require('pillion.client')
local text = require('pillion.text')

local M = {}

---@class pillion.Call a tool call, as the chat shows it
---@field title string
---@field tool string
---@field input table
---@field line pillion.Line
---@field state string one of the keys of `text.marks`
---@field note string? what is said after the title
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
---@field usage pillion.Usage? of the latest turn
---@field replay_to integer events up to this number are old: they are shown, and nobody is told
local Session = {}
Session.__index = Session

-- Of a running command, only the end is kept for looking at.
local OUTPUT_BYTES = 64 * 1024

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
    calls = {},
    asked = {},
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

---@param call pillion.Call
---@param state string
---@param note string?
local function set_call(call, state, note)
  call.state, call.note = state, note
  call.line:set(text.call(call))
end

---@type table<string, fun(session: pillion.Session, event: table)>
local on = {}

function on.turnStarted(session, event)
  if session.title == '' then
    session.title = text.title(event.prompt)
  end
  session.calls = {}
  session:set_turn(event.turnId, 'thinking')
  session.chat:write('prompt', text.prompt(event.prompt))
end

function on.turnSteered(session, event)
  session.chat:write('prompt', text.prompt(event.prompt))
end

function on.messageDelta(session, event)
  session:set_doing('writing')
  session.chat:write('answer', event.text)
end

function on.reasoningDelta(session, event)
  session:set_doing('thinking')
  session.chat:write('reasoning', event.text)
end

function on.superseded(session)
  session.chat:withdraw()
end

function on.toolPreparing(session, event)
  session:set_doing('preparing ' .. event.tool)
end

function on.toolCall(session, event)
  local call = { title = event.title, tool = event.tool, input = event.input, state = 'running', output = '' }
  call.line = session.chat:line(text.call(call), call)
  session.calls[event.callId] = call
  session:set_doing(event.tool)
end

function on.approvalRequested(session, event)
  local agent, call_id = event.approval.agent, event.approval.callId
  local call = session.calls[agent and agent.callId .. '.' .. call_id or call_id]
  if call then
    call.diff = event.approval.diff
    session.asked[event.approval.approvalId] = call
    set_call(call, 'waiting')
  end
  session:set_doing('waiting for you')
end

function on.approvalResolved(session, event)
  require('pillion.approval').resolved(event.approvalId)
  local call = session.asked[event.approvalId]
  session.asked[event.approvalId] = nil
  if call and call.state == 'waiting' then
    set_call(call, 'running')
  end
  session:set_doing('working')
end

function on.toolProgress(session, event)
  local call = session.calls[event.callId]
  if call then
    call.output = (call.output .. event.text):sub(-OUTPUT_BYTES)
    set_call(call, 'running', text.last_line(call.output))
  end
end

function on.toolResult(session, event)
  local call = session.calls[event.callId]
  if call then
    call.output, call.diff = event.text, event.diff or call.diff
    set_call(call, event.status, event.status ~= 'ok' and text.first_line(event.text) or nil)
  end
  session:set_doing('thinking')
  if session:is_live() then
    session.server:look_at_disk()
  end
end

function on.plan(session, event)
  for _, item in ipairs(event.items) do
    session.chat:line(('%s %s'):format(text.marks[item.status], text.first_line(item.text)))
  end
end

function on.questionAsked(session, event)
  session.chat:line(('%s %s'):format(text.marks.waiting, text.first_line(event.question.text)))
  session:set_doing('asking you')
end

function on.questionResolved(session, event)
  require('pillion.question').resolved(event.questionId)
  session:set_doing('working')
end

function on.taskStarted(session, event)
  session.chat:line(('%s %s runs in the background: %s'):format(text.marks.info, event.task.taskId, event.task.title))
end

function on.taskEnded(session, event)
  local said = ('%s has ended (%s): %s'):format(event.task.taskId, text.last_line(event.text), event.task.title)
  session.chat:line(('%s %s'):format(text.marks.info, said))
  if session:is_live() then
    client.notify(text.brief(said), vim.log.levels.INFO)
  end
end

-- Of a sub-agent, its calls are shown, below the call that it works for.
function on.nested(session, event)
  local inner, path = event.event, event.callId
  while inner.type == 'nested' do
    inner, path = inner.event, path .. '.' .. inner.callId
  end
  if inner.type == 'toolCall' or inner.type == 'toolProgress' or inner.type == 'toolResult' then
    local call = vim.tbl_extend('force', inner, { callId = path .. '.' .. inner.callId })
    if call.title then
      call.title = '  ' .. call.title
    end
    on[call.type](session, call)
  elseif inner.type == 'usage' then
    on.usage(session, inner)
  end
end

function on.usage(session, event)
  session.usage = event.turn
  session.chat:keep()
end

function on.compaction(session, event)
  local before, after = text.tokens(event.tokensBefore), text.tokens(event.tokensAfter)
  session.chat:line(('%s made the conversation shorter: %s tokens are %s now'):format(text.marks.info, before, after))
end

function on.retry(session, event)
  local seconds = ('%.1f s'):format(event.delayMs / 1000)
  session.chat:line(('%s %s; trying again in %s (%d)'):format(text.marks.retry, event.error, seconds, event.attempt))
  session:set_doing('waiting to try again')
end

function on.fallback(session, event)
  local line = '%s %s; asks %s instead of %s'
  session.chat:line(line:format(text.marks.retry, event.error, event.to, event.from))
end

function on.sessionConfigured(session, event)
  session.chat:line(('%s model %s, mode %s'):format(text.marks.info, event.model, event.mode))
end

function on.notice(session, event)
  session.chat:line(('%s %s'):format(text.marks[event.level] or text.marks.info, event.message))
  if event.level == 'error' and session:is_live() then
    client.notify(text.brief(event.message))
  end
end

function on.turnEnded(session, event)
  session.usage = event.usage
  session.chat:line(text.turn_end(event))
  session:set_turn(nil)
  session:drop_inquiries()
  if event.error and session:is_live() then
    client.notify(text.brief(event.error))
  end
end

-- Nobody waits for an answer any more.
function Session:drop_inquiries()
  require('pillion.approval').drop(function(waiting)
    return waiting.approval.sessionId == self.id
  end)
  require('pillion.question').drop(function(asked)
    return asked.question.sessionId == self.id
  end)
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
  local handle = on[event.type]
  if handle then
    handle(self, event)
  end
end

-- Says it to the turn that runs, or starts one. Which of the two it is may have changed on the way.
---@param prompt pillion.ContentBlock[]
function Session:say(prompt)
  local params = { sessionId = self.id, prompt = prompt }
  local methods = self.turn and { 'turn/steer', 'turn/start' } or { 'turn/start', 'turn/steer' }
  self.server:request(methods[1], params, nil, function(message, code)
    if code == NOT_FOUND or code == BUSY then
      self.server:request(methods[2], params)
    else
      client.notify(message)
    end
  end)
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
