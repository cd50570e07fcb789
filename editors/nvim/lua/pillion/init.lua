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
function M.current()
  local buf = vim.api.nvim_get_current_buf()
  local prompt = package.loaded['pillion.prompt'] and require('pillion.prompt').of(buf)
  if prompt then
    return prompt.server.current, prompt.server
  end
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
  local session = M.current()
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

-- The buffer that words are about: the one the person is in; in a chat or a prompt, the one they were in before.
---@return integer
local function subject()
  local buf = vim.api.nvim_get_current_buf()
  local prompt = package.loaded['pillion.prompt'] and require('pillion.prompt').of(buf)
  if prompt then
    return prompt.origin
  elseif require('pillion.chat').of(buf) and vim.fn.bufexists(0) == 1 then
    return vim.fn.bufnr('#')
  end
  return buf
end

---@class pillion.Expecting
---@field use fun(session: pillion.Session)
---@field refused fun() called if there is none, after the person was told why

---@param server pillion.Server
---@param first pillion.Expecting
local function create(server, first)
  local expected = { first }
  server.expected = expected
  ---@param settle fun(one: pillion.Expecting)
  local function settle_all(settle)
    if server.expected == expected then
      server.expected = nil
    end
    vim.tbl_map(settle, expected)
  end
  local function refuse()
    settle_all(function(one)
      one.refused()
    end)
  end
  server:request('session/new', vim.empty_dict(), function(info)
    local session = require('pillion.session').open(server, info)
    require('pillion.chat_window').show(session.chat)
    settle_all(function(one)
      one.use(session)
    end)
  end, function(message)
    require('pillion.client').notify(message)
    refuse()
  end, refuse)
end

-- Hands over the session that is being created, or else the current one, or else a new one.
---@param server pillion.Server
---@param one pillion.Expecting
local function with_any(server, one)
  if server.expected then
    table.insert(server.expected, one)
  elseif server.current then
    one.use(server.current)
  else
    create(server, one)
  end
end

---@param blocks pillion.ContentBlock[]
---@param refused fun()? called if it was not said
---@return pillion.Expecting
local function saying(blocks, refused)
  refused = refused or function() end
  require('pillion.history').add(require('pillion.text').words(blocks))
  return {
    use = function(session)
      require('pillion.chat_window').show(session.chat)
      session:say(blocks, refused)
    end,
    refused = refused,
  }
end

-- Says it in the current session, which is created if need be; to a turn that runs, at once.
---@param server pillion.Server
---@param blocks pillion.ContentBlock[]
---@param refused fun()? called if it was not said, after the person was told why
function M.say(server, blocks, refused)
  with_any(server, saying(blocks, refused))
end

-- Asks in the current session. Without words, they are written in a prompt below the chat.
---@param words string
---@param options { range: pillion.Range? }?
function M.ask(words, options)
  local _, server = M.current()
  local buf, range = subject(), options and options.range
  if vim.trim(words) == '' then
    require('pillion.prompt').open(server, buf, range)
    return
  end
  local mention = require('pillion.mention')
  M.say(server, mention.with_words(words, buf, server.root, range and mention.lines(buf, range)))
end

-- Starts another session; those there are go on.
---@param words string? without them, a prompt waits for some
---@param options { range: pillion.Range? }?
function M.new(words, options)
  local _, server = M.current()
  local buf, range = subject(), options and options.range
  if words and vim.trim(words) ~= '' then
    local mention = require('pillion.mention')
    create(server, saying(mention.with_words(words, buf, server.root, range and mention.lines(buf, range))))
  else
    create(server, {
      use = function()
        require('pillion.prompt').open(server, buf, range)
      end,
      refused = function() end,
    })
  end
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

-- Hands over the current session, or tells that there is none.
---@param use fun(session: pillion.Session)
local function with_session(use)
  local session = M.current()
  if session then
    use(session)
  else
    require('pillion.client').notify('no session yet; :Pillion starts one', vim.log.levels.INFO)
  end
end

function M.toggle_chat()
  with_session(function(session)
    local window = require('pillion.chat_window')
    if window.is_shown(session.chat) then
      window.hide(session.chat)
    else
      window.show(session.chat)
    end
  end)
end

function M.approvals()
  require('pillion.approval').open()
end

-- Chooses a session from a list, and what to do with it; to open it shows its chat, with all that was said before.
---@param action string? `open` when empty, or `fork`, `rename`, `delete`
function M.sessions(action)
  local _, server = M.current()
  require('pillion.session_picker').pick(server, action and action ~= '' and action or 'open')
end

function M.tasks()
  with_session(require('pillion.tasks').pick)
end

-- Has the running command go on in the background, so that the turn goes on.
function M.background()
  with_session(require('pillion.tasks').move)
end

-- Makes the conversation shorter for the model.
---@param instructions string what to keep above all
function M.compact(instructions)
  with_session(function(session)
    session.server:request('session/compact', {
      sessionId = session.id,
      instructions = instructions ~= '' and instructions or nil,
    })
  end)
end

---@param settings table part of `session/configure`'s params
local function configure(settings)
  local _, server = M.current()
  with_any(server, {
    use = function(session)
      server:request('session/configure', vim.tbl_extend('error', settings, { sessionId = session.id }))
    end,
    refused = function() end,
  })
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
  local _, server = M.current()
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
