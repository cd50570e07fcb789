-- Commands that run in the background of a session.
local client = require('pillion.client')

local M = {}

---@param session pillion.Session
---@param task pillion.Task
local function show(session, task)
  session.server:request('task/read', { sessionId = session.id, taskId = task.taskId }, function(result)
    local lines = { '# ' .. result.task.title:gsub('\n.*', ' …'), '' }
    vim.list_extend(lines, vim.split((result.text:gsub('\r', '')), '\n', { plain = true }))
    require('pillion.chat_window').float(lines)
  end)
end

---@param session pillion.Session
---@param task pillion.Task
local function act(session, task)
  if task.status ~= 'running' then
    return show(session, task)
  end
  vim.ui.select({ 'Show what it printed', 'Stop it' }, { prompt = task.title, kind = 'pillion.task' }, function(answer)
    if answer == 'Stop it' then
      session.server:request('task/cancel', { sessionId = session.id, taskId = task.taskId })
    elseif answer then
      show(session, task)
    end
  end)
end

local words = { timedOut = 'ran into its time limit', lost = 'lost with its process' }

-- Lists a session's tasks, to look at one or to stop it.
---@param session pillion.Session
function M.pick(session)
  session.server:request('task/list', { sessionId = session.id }, function(result)
    if #result.tasks == 0 then
      client.notify('nothing runs in the background of this session', vim.log.levels.INFO)
      return
    end
    vim.ui.select(result.tasks, {
      prompt = 'Background tasks',
      kind = 'pillion.task',
      format_item = function(task)
        return ('%s  %s (%s)'):format(task.taskId, task.title, words[task.status] or task.status)
      end,
    }, function(task)
      if task then
        act(session, task)
      end
    end)
  end)
end

-- Has the command that runs go on in the background.
---@param session pillion.Session
function M.move(session)
  for path, call in pairs(session.calls) do
    if call.state == 'running' and type(call.input.command) == 'string' then
      session.server:request('turn/background', { sessionId = session.id, callId = path }, function(result)
        if not result.moved then
          client.notify('the command has ended by itself', vim.log.levels.INFO)
        end
      end)
      return
    end
  end
  client.notify('no command is running', vim.log.levels.INFO)
end

return M
