-- What a person does: ask, stop, choose. Everything is also a command; see |pillion|.
local M = {}

---@class pillion.Range lines of the current buffer, from 1, inclusive
---@field first integer
---@field last integer

---@param options table? any part of |pillion.Config|; setup need not be called
function M.setup(options)
  require('pillion.config').set(options)
end

-- For a statusline: `require('pillion').statusline()`.
---@return string
function M.statusline()
  return require('pillion.statusline').text()
end

-- The session of the chat the cursor is in, or the one last used in the buffer's project.
---@return pillion.Session?, pillion.Server
local function current()
  local buf = vim.api.nvim_get_current_buf()
  local chat = require('pillion.chat').of(buf)
  if chat then
    chat.session.server.current = chat.session
    return chat.session, chat.session.server
  end
  local server = require('pillion.client').get(require('pillion.config').options.root(buf))
  return server.current, server
end

-- Any session that runs a turn, the current one first.
---@return pillion.Session?
local function running()
  local session = current()
  if session and session.turn then
    return session
  end
  for _, other in ipairs(require('pillion.session').all()) do
    if other.turn then
      return other
    end
  end
  return session
end

-- What makes blocks of words: those of the range first, then what the words point to, then the words. It is of the
-- buffer that the person is in now; in a chat, of the one they were in before.
---@param server pillion.Server
---@param range pillion.Range?
---@return fun(words: string): pillion.ContentBlock[]
local function blocks_for(server, range)
  local mention = require('pillion.mention')
  local buf = vim.api.nvim_get_current_buf()
  local lines = range and mention.lines(buf, range)
  if require('pillion.chat').of(buf) and vim.fn.bufexists(0) == 1 then
    buf = vim.fn.bufnr('#')
  end
  return function(words)
    local blocks = vim.api.nvim_buf_is_loaded(buf) and mention.blocks(words, buf, server.root) or {}
    if lines then
      table.insert(blocks, 1, lines)
    end
    table.insert(blocks, { type = 'text', text = words })
    return blocks
  end
end

---@param server pillion.Server
---@param use fun(session: pillion.Session)
local function create(server, use)
  server:request('session/new', vim.empty_dict(), function(info)
    local session = require('pillion.session').open(server, info)
    require('pillion.chat_window').show(session.chat)
    use(session)
  end)
end

---@param prompt string
---@param use fun(prompt: string)
local function with_prompt(prompt, use)
  if vim.trim(prompt) ~= '' then
    return use(prompt)
  end
  vim.ui.input({ prompt = 'Pillion: ' }, function(typed)
    if typed and vim.trim(typed) ~= '' then
      use(typed)
    end
  end)
end

-- Asks in the current session, which is created if need be; to a turn that runs, the prompt is said at once.
---@param prompt string asked for when empty
---@param options { range: pillion.Range? }?
function M.ask(prompt, options)
  local session, server = current()
  local blocks = blocks_for(server, options and options.range)
  with_prompt(prompt, function(typed)
    local said = blocks(typed)
    if session then
      require('pillion.chat_window').show(session.chat)
      session:say(said)
    else
      create(server, function(created)
        created:say(said)
      end)
    end
  end)
end

-- Starts another session; those there are go on.
---@param prompt string? the session waits for one when empty
---@param options { range: pillion.Range? }?
function M.new(prompt, options)
  local _, server = current()
  local said = prompt and vim.trim(prompt) ~= '' and blocks_for(server, options and options.range)(prompt)
  create(server, function(session)
    if said then
      session:say(said)
    end
  end)
end

-- Stops the turn of the current session, or else the one that runs.
function M.cancel()
  local session = running()
  if session and session.turn then
    session:cancel()
  else
    require('pillion.client').notify('no turn is running', vim.log.levels.INFO)
  end
end

function M.toggle_chat()
  local session = current()
  local window = require('pillion.chat_window')
  if not session then
    require('pillion.client').notify('no session yet; :Pillion <prompt> starts one', vim.log.levels.INFO)
  elseif window.is_shown(session.chat) then
    window.hide(session.chat)
  else
    window.show(session.chat)
  end
end

function M.approvals()
  require('pillion.approval').open()
end

-- Opens a session from a list: its chat is shown, with all that was said before.
function M.sessions()
  require('pillion.session_picker').pick(select(2, current()))
end

---@param settings table part of `session/configure`'s params
local function configure(settings)
  local session = current()
  if not session then
    require('pillion.client').notify('no session yet; :Pillion <prompt> starts one', vim.log.levels.INFO)
    return
  end
  session.server:request('session/configure', vim.tbl_extend('error', settings, { sessionId = session.id }))
end

---@param mode string asked for when empty
function M.mode(mode)
  if mode ~= '' then
    return configure({ mode = mode })
  end
  vim.ui.select(require('pillion.config').modes, { prompt = 'How much may happen without asking?' }, function(chosen)
    if chosen then
      configure({ mode = chosen })
    end
  end)
end

---@param model string `provider/model`; asked for when empty
function M.model(model)
  if model ~= '' then
    return configure({ model = model })
  end
  local _, server = current()
  server:request('model/list', vim.empty_dict(), function(list)
    vim.ui.select(list.models, {
      prompt = 'Model',
      format_item = function(item)
        return item.ready and item.id or ('%s (%s)'):format(item.id, item.hint or 'not ready')
      end,
    }, function(chosen)
      if chosen then
        configure({ model = chosen.id })
      end
    end)
  end)
end

return M
