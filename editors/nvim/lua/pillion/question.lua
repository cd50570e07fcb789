-- The model's questions that wait for the person, asked one at a time by |vim.ui.select()| and |vim.ui.input()|, and
-- only of a person who rests: what is typed is never taken for an answer.
local attention = require('pillion.attention')
local client = require('pillion.client')
local config = require('pillion.config')

local M = {}

---@class pillion.Asked a question that waits, and the request whose answer waits with it
---@field question pillion.Question
---@field server pillion.Server
---@field thread thread
---@field put_off boolean

---@type pillion.Asked[]
local queue = {}
local showing = false
local timer ---@type uv.uv_timer_t?

local POLL_MS = 100
local withdrawn = vim.lsp.protocol.ErrorCodes.RequestCancelled

---@param asked pillion.Asked
---@param answer pillion.QuestionAnswer?
---@param err lsp.ResponseError?
local function resume(asked, answer, err)
  queue = vim.tbl_filter(function(other)
    return other ~= asked
  end, queue)
  M.refresh()
  coroutine.resume(asked.thread, answer, err)
end

---@param asked pillion.Asked
---@param answer pillion.QuestionAnswer? nothing if the person closed it
local function answered(asked, answer)
  showing = false
  if not vim.tbl_contains(queue, asked) then
    client.notify('this question no longer waits for an answer', vim.log.levels.INFO)
    M.refresh()
  elseif answer then
    resume(asked, answer)
  else
    asked.put_off = true
    client.notify(':PillionApprovals brings the question back; the turn waits', vim.log.levels.INFO)
    M.refresh()
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
  local who = question.agent and question.agent.name or 'Pillion'
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
  for _, asked in ipairs(queue) do
    if not asked.put_off then
      return asked
    end
  end
end

-- Asks what is to be asked, once the person rests.
function M.refresh()
  attention.watch('question', #queue > 0)
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

-- Asks the person. Runs in the coroutine that vim.lsp gives a request's handler, and returns when there is an answer.
---@param server pillion.Server
---@param question pillion.Question
---@return pillion.QuestionAnswer? answer, lsp.ResponseError? err
function M.ask(server, question)
  table.insert(queue, { question = question, server = server, thread = coroutine.running(), put_off = false })
  M.refresh()
  return coroutine.yield()
end

-- Withdraws those that `gone` picks: nobody needs their answer any more.
---@param gone fun(asked: pillion.Asked): boolean
function M.drop(gone)
  for _, asked in ipairs(vim.tbl_filter(gone, queue)) do
    resume(asked, nil, { code = withdrawn, message = 'withdrawn' })
  end
end

-- It was answered, here or elsewhere, or its turn ended.
---@param question_id string
function M.resolved(question_id)
  M.drop(function(asked)
    return asked.question.questionId == question_id
  end)
end

---@return integer
function M.count()
  return #queue
end

-- Brings back what was put off, at once. False if there is nothing to ask.
---@return boolean
function M.open()
  for _, asked in ipairs(queue) do
    asked.put_off = false
  end
  M.refresh()
  local asked = first()
  if asked and not showing then
    show(asked)
  end
  return asked ~= nil
end

return M
