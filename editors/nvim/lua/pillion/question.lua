-- The model's questions that wait for the person, asked one at a time by |vim.ui.select()| and |vim.ui.input()|, and
-- only of a person who rests: what is typed is never taken for an answer.
local attention = require('pillion.attention')
local client = require('pillion.client')
local config = require('pillion.config')
local queue = require('pillion.queue')

local M = {}

---@class pillion.Asked: pillion.Waits a question that waits
---@field question pillion.Question

local showing = false
local timer ---@type uv.uv_timer_t?

local POLL_MS = 100

M.queue = queue.new(function()
  M.refresh()
end)

---@param asked pillion.Asked
---@param answer pillion.QuestionAnswer? nothing if the person closed it
local function answered(asked, answer)
  showing = false
  if not M.queue:has(asked) then
    client.notify('this question no longer waits for an answer', vim.log.levels.INFO)
    M.refresh()
  elseif answer then
    M.queue:answer(asked, answer)
  else
    client.notify(':PillionApprovals brings the question back; the turn waits', vim.log.levels.INFO)
    M.queue:put_off(asked)
  end
end

---@param asked pillion.Asked
---@param prompt string
local function input(asked, prompt)
  vim.ui.input({ prompt = prompt .. ' ' }, function(text)
    if text and vim.trim(text) == '' then
      answered(asked, { type = 'decline' })
    else
      answered(asked, text and { type = 'text', text = text } or nil)
    end
  end)
end

---@param asked pillion.Asked
local function show(asked)
  local question = asked.question
  showing = true
  local who = question.agent and question.agent.name or asked.server:speaker(question.sessionId)
  local prompt = ('%s asks: %s'):format(who, question.text)
  if #question.choices == 0 then
    return input(asked, prompt)
  end
  ---@type { label: string, answer: pillion.QuestionAnswer? }[]
  local items = {}
  for index, choice in ipairs(question.choices) do
    local label = choice.description and ('%s: %s'):format(choice.label, choice.description) or choice.label
    table.insert(items, { label = label, answer = { type = 'choice', index = index - 1 } })
  end
  if question.allowsText then
    table.insert(items, { label = 'Answer in words ...' })
  end
  table.insert(items, { label = 'Let the model decide', answer = { type = 'decline' } })
  vim.ui.select(items, {
    prompt = prompt,
    kind = 'pillion.question',
    format_item = function(item)
      return item.label
    end,
  }, function(item)
    if item and not item.answer then
      input(asked, prompt)
    else
      answered(asked, item and item.answer)
    end
  end)
end

---@return pillion.Asked?
local function first()
  return M.queue:first() --[[@as pillion.Asked?]]
end

-- Asks what is to be asked, once the person rests.
function M.refresh()
  attention.watch('question', #M.queue.all > 0)
  require('pillion.statusline').changed()
  local needed = first() ~= nil and not showing
  if needed and not timer then
    timer = assert(vim.uv.new_timer())
    timer:start(
      0,
      POLL_MS,
      vim.schedule_wrap(function()
        local asked = first()
        if timer and asked and not showing and attention.is_resting(config.options.approval.idle_ms) then
          show(asked)
        end
      end)
    )
  elseif not needed and timer then
    timer:stop()
    timer:close()
    timer = nil
  end
end

-- Asks the person, and returns when there is an answer.
---@param server pillion.Server
---@param question pillion.Question
---@return pillion.QuestionAnswer? answer, lsp.ResponseError? err
function M.ask(server, question)
  local id, session_id = question.questionId, question.sessionId
  return M.queue:wait({ id = id, session_id = session_id, server = server, question = question })
end

-- Brings back what was put off, at once. False if there is nothing to ask.
---@return boolean
function M.open()
  M.queue:bring_back()
  local asked = first()
  if asked and not showing then
    show(asked)
  end
  return asked ~= nil
end

return M
