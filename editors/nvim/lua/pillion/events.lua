-- What each event of a session means for its chat, its state and the person.
local client = require('pillion.client')
local details = require('pillion.details')
local text = require('pillion.text')

-- Of a running command, only the end is kept for looking at.
local OUTPUT_BYTES = 64 * 1024

---@param call pillion.Call
---@param state string
---@param note string?
local function set_call(call, state, note)
  call.state, call.note = state, note
  local is_over = state ~= 'running' and state ~= 'waiting'
  call.line:set(nil, is_over and details.short(call) or nil)
end

---@type table<string, fun(session: pillion.Session, event: table)>
local on = {}

---@param session pillion.Session
---@param event table
---@param path string
---@param parent pillion.Call?
local function begin_call(session, event, path, parent)
  local call = { title = event.title, tool = event.tool, input = event.input, state = 'running', output = '' }
  call.line = session.chat:line(nil, call, parent and parent.line)
  session.calls[path] = call
end

function on.turnStarted(session, event)
  if session.title == '' then
    session.title = text.title(event.prompt)
  end
  session.calls, session.plan = {}, nil
  session:set_turn(event.turnId, 'thinking')
  session.chat:write('prompt', text.prompt(event.prompt))
  require('pillion.history').add(text.words(event.prompt))
end

function on.turnSteered(session, event)
  session.chat:write('prompt', text.prompt(event.prompt))
  require('pillion.history').add(text.words(event.prompt))
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
  session:set_doing(event.tool)
  -- What it does is shown by the event `plan`.
  if event.tool ~= 'plan' then
    begin_call(session, event, event.callId)
  end
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
  require('pillion.approval').queue:resolved(event.approvalId)
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
    set_call(call, 'running')
  end
end

function on.toolResult(session, event)
  local call = session.calls[event.callId]
  if call then
    call.output, call.diff = event.text, event.diff or call.diff
    set_call(call, event.status, event.status ~= 'ok' and text.first_line(event.text) or text.change(event.diff))
  end
  session:set_doing('thinking')
  if session:is_live() then
    session.server:look_at_disk()
  end
end

function on.changes(session, event)
  if session:is_live() then
    require('pillion.changes').changed(session, event.turnId)
  end
end

-- One line for a turn, which says how far it is; the whole list is folded below it.
function on.plan(session, event)
  session.plan = session.plan or session.chat:line('')
  session.plan:set(text.plan(event.items))
end

function on.questionAsked(session, event)
  session.chat:line(('%s %s'):format(text.marks.waiting, text.first_line(event.question.text)))
  session:set_doing('asking you')
end

function on.questionResolved(session, event)
  require('pillion.question').queue:resolved(event.questionId)
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

-- Of a sub-agent, its calls are folded below the call that it works for, whose line says what it does.
function on.nested(session, event)
  local inner, path = event.event, event.callId
  while inner.type == 'nested' do
    inner, path = inner.event, path .. '.' .. inner.callId
  end
  local parent = session.calls[path]
  if not parent then
    return
  elseif inner.type == 'toolCall' then
    begin_call(session, inner, path .. '.' .. inner.callId, parent)
    set_call(parent, 'running', text.first_line(inner.title))
  elseif inner.type == 'toolProgress' or inner.type == 'toolResult' then
    on[inner.type](session, vim.tbl_extend('force', inner, { callId = path .. '.' .. inner.callId }))
  elseif inner.type == 'usage' then
    -- How full the context is, is the sub-agent's own affair.
    session:count({ turn = inner.turn })
  elseif inner.type == 'notice' then
    session.chat:line(text.notice(inner), nil, parent.line)
  elseif inner.type == 'retry' then
    session.chat:line(text.retry(inner), nil, parent.line)
  end
end

function on.usage(session, event)
  session:count(event)
  session.chat:keep()
end

function on.compaction(session, event)
  local before, after = text.tokens(event.tokensBefore), text.tokens(event.tokensAfter)
  session.chat:line(('%s made the conversation shorter: %s tokens are %s now'):format(text.marks.info, before, after))
end

function on.retry(session, event)
  session.chat:line(text.retry(event))
  session:set_doing('waiting to try again')
end

function on.fallback(session, event)
  local line = '%s %s; asks %s instead of %s'
  session.chat:line(line:format(text.marks.retry, event.error, event.to, event.from))
end

function on.sessionConfigured(session, event)
  session.model, session.mode = event.model, event.mode
  session.chat:line(('%s model %s, mode %s'):format(text.marks.info, event.model, event.mode))
  require('pillion.statusline').changed()
end

function on.sessionRenamed(session, event)
  session.title = event.title
  require('pillion.statusline').changed()
end

function on.commandsChanged(session, event)
  session.server.commands = event.commands
end

function on.notice(session, event)
  session.chat:line(text.notice(event))
  if event.level == 'error' and session:is_live() then
    client.notify(text.brief(event.message))
  end
end

function on.turnEnded(session, event)
  session.chat:line(text.turn_end(event))
  session.chat:keep()
  session.usage = nil
  session:add_cost(event.usage)
  session:set_turn(nil)
  session:drop_inquiries()
  if event.error and session:is_live() then
    client.notify(text.brief(event.error))
  end
end

return on
