-- The server: one process for each project, started when it is first needed and again when it ends by itself.
-- `vim.lsp` carries everything.
local config = require('pillion.config')
local text = require('pillion.text')

local M = {}

---@class pillion.Server
---@field root string
---@field client vim.lsp.Client?
---@field ready boolean whether `initialize` was answered
---@field queue fun()[] what waits for that
---@field unanswered table<fun(), true> what is to be done for requests without an answer, should it end
---@field expected pillion.Expecting[]? who waits for the session that is being created
---@field sessions table<string, pillion.Session>
---@field current pillion.Session? the one that the next prompt goes to
---@field commands pillion.CommandInfo[]? as they were last listed
---@field ends integer[] when it ended by itself, in ms
local Server = {}
Server.__index = Server

---@type table<string, pillion.Server>
M.servers = {}

local RESTARTS, WITHIN_MS = 3, 60000

---@param message string
---@param level integer?
function M.notify(message, level)
  vim.notify('pillion: ' .. message, level or vim.log.levels.ERROR, { title = 'Pillion' })
end

-- The server of a root, which may not run yet.
---@param root string
---@return pillion.Server
function M.get(root)
  root = vim.fs.normalize(root)
  local server = M.servers[root]
  if not server then
    server = setmetatable({ root = root, ready = false, queue = {}, unanswered = {}, sessions = {}, ends = {} }, Server)
    M.servers[root] = server
  end
  return server
end

---@param client_id integer
---@return pillion.Server?
function M.by_client(client_id)
  for _, server in pairs(M.servers) do
    if server.client and server.client.id == client_id then
      return server
    end
  end
end

---@param buf integer
---@return boolean
function Server:owns(buf)
  local name = vim.api.nvim_buf_get_name(buf)
  return vim.api.nvim_buf_is_loaded(buf)
    and vim.bo[buf].buftype == ''
    and name ~= ''
    and vim.startswith(vim.fs.normalize(name), self.root == '/' and '/' or self.root .. '/')
end

-- Who asks something: Pillion, with the session's title unless it is the one that the next prompt goes to.
---@param session_id string
---@return string
function Server:speaker(session_id)
  local session = self.sessions[session_id]
  if not session or session == self.current then
    return 'Pillion'
  end
  return session.title == '' and 'Pillion in another session' or ('Pillion in "%s"'):format(text.cut(session.title, 32))
end

-- Shows the server a buffer, if it belongs to the project.
---@param buf integer
function Server:attach(buf)
  local untitled = require('pillion.untitled')
  untitled.check(buf)
  untitled.attach(self, buf)
  if self.client and self:owns(buf) and not vim.lsp.buf_is_attached(buf, self.client.id) then
    vim.lsp.buf_attach_client(buf, self.client.id)
  end
end

---@return table
local function capabilities()
  local declared = vim.lsp.protocol.make_client_capabilities()
  declared.experimental = {
    pillion = {
      -- An answer that comes later needs a coroutine that yields through vim.lsp's pcall, which LuaJIT can.
      approvalRequest = jit ~= nil,
      questionRequest = jit ~= nil,
      editorDiagnostics = true,
      editorContext = true,
      editorSave = true,
      sessionEvent = true,
    },
  }
  if vim.fn.has('nvim-0.11') == 0 then
    -- Neovim 0.10 warns when the clients of a buffer count columns in different ways, and most servers count UTF-16.
    declared.general.positionEncodings = { 'utf-16' }
  end
  return declared
end

---@return integer? client_id
function Server:spawn()
  require('pillion.diagnostics').watch()
  local options = config.options
  local lsp_config = {
    name = 'pillion',
    cmd = function(dispatchers)
      -- vim.lsp would tell of an unexpected end in a line too long for the screen; here it is told in words of our own.
      local on_exit = dispatchers.on_exit
      dispatchers.on_exit = function(code, signal)
        vim.schedule(function()
          self:on_exit(code, signal)
        end)
        on_exit(0, 0)
      end
      return vim.lsp.rpc.start(options.cmd, dispatchers, { cwd = self.root, env = options.env })
    end,
    root_dir = self.root,
    workspace_folders = { { uri = vim.uri_from_fname(self.root), name = vim.fs.basename(self.root) } },
    capabilities = capabilities(),
    handlers = require('pillion.handlers'),
    -- The buffer is the truth, now and not 150 ms ago.
    flags = { debounce_text_changes = 0 },
    on_init = function(client)
      self:on_init(client)
    end,
  }
  if vim.fn.has('nvim-0.11') == 1 then
    return vim.lsp.start(lsp_config, {
      attach = false,
      reuse_client = function()
        return false
      end,
    })
  end
  return (vim.lsp.start_client(lsp_config)) ---@diagnostic disable-line: deprecated
end

-- Starts the process unless it runs.
---@return boolean started
function Server:start()
  if self.client then
    return true
  end
  local program = config.options.cmd[1]
  if vim.fn.executable(program) == 0 then
    M.notify(('cannot run %q. Install the binary, or say where it is with setup { cmd = { ... } }'):format(program))
    return false
  end
  local client_id = self:spawn()
  self.client = client_id and vim.lsp.get_client_by_id(client_id)
  if not self.client then
    M.notify(('%q did not start. See :checkhealth pillion'):format(table.concat(config.options.cmd, ' ')))
    return false
  end
  return true
end

---@param client vim.lsp.Client
function Server:on_init(client)
  self.client = client
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    self:attach(buf)
  end
  vim.api.nvim_create_autocmd({ 'BufReadPost', 'BufNewFile', 'BufFilePost', 'BufWritePost', 'BufEnter', 'FileType' }, {
    group = vim.api.nvim_create_augroup('pillion.attach.' .. self.root, {}),
    callback = function(args)
      self:attach(args.buf)
      if args.event == 'BufReadPost' then
        for _, session in pairs(self.sessions) do
          require('pillion.changes').reread(session)
        end
      end
    end,
  })
  self.ready = true
  local queue = self.queue
  self.queue = {}
  for _, send in ipairs(queue) do
    send()
  end
end

---@param code integer
---@param signal integer
function Server:on_exit(code, signal)
  local unanswered = self.unanswered
  if not self.ready then
    M.notify(('the server ended while it started (code %d); see :checkhealth pillion'):format(code))
  elseif next(unanswered) and not next(self.sessions) then
    M.notify(('the server has ended (code %d); see :checkhealth pillion'):format(code))
  end
  self.client, self.ready, self.queue, self.unanswered = nil, false, {}, {}
  pcall(vim.api.nvim_del_augroup_by_name, 'pillion.attach.' .. self.root)
  require('pillion.untitled').forget(self)
  local function is_ours(waiting)
    return waiting.server == self
  end
  require('pillion.approval').queue:drop(is_ours)
  require('pillion.question').queue:drop(is_ours)
  for give_up in pairs(unanswered) do
    give_up()
  end
  for _, session in pairs(self.sessions) do
    session:on_server_end(code, signal)
  end
  if next(self.sessions) and vim.v.exiting == vim.NIL then
    self:restart()
  end
end

-- Starts again and takes the sessions up where they were, unless it keeps ending.
function Server:restart()
  local now = vim.uv.now()
  self.ends = vim.tbl_filter(function(at)
    return now - at < WITHIN_MS
  end, self.ends)
  table.insert(self.ends, now)
  if #self.ends > RESTARTS then
    M.notify('the server keeps ending; see :checkhealth pillion. The next :Pillion tries again')
    return
  end
  M.notify('the server has ended; starting it again', vim.log.levels.WARN)
  self:resume()
end

function Server:resume()
  for _, session in pairs(self.sessions) do
    session:resume()
  end
end

-- Sends a request, after starting the server if needed. An error goes to the person unless `on_error` takes it.
---@param method string
---@param params table
---@param on_result fun(result: any)?
---@param on_error fun(message: string, code: integer?)?
---@param on_end fun()? if the server does not start, or ends before it answers, of which the person is told
function Server:request(method, params, on_result, on_error, on_end)
  on_end = on_end or function() end
  local was_running = self.client ~= nil
  if not self:start() then
    return on_end()
  end
  self.unanswered[on_end] = true
  local function send()
    local client = self.client
    if not client then
      return
    end
    local function answered(err, result)
      self.unanswered[on_end] = nil
      if err then
        local message = err.message or tostring(err)
        if err.code == vim.lsp.protocol.ErrorCodes.MethodNotFound then
          message = ('the binary does not know %s: it is older than this plugin, so update it'):format(method)
        end
        if on_error then
          on_error(message, err.code)
        else
          M.notify(message)
        end
      elseif on_result then
        on_result(result)
      end
    end
    local buf = vim.api.nvim_get_current_buf()
    if vim.fn.has('nvim-0.11') == 1 then
      client:request(method, params, answered, buf)
    else
      client.request(method, params, answered, buf) ---@diagnostic disable-line
    end
  end
  if self.ready then
    return send()
  end
  -- A server that had ended for good takes its sessions up before anything else is asked of it.
  if not was_running and method ~= 'session/load' then
    self:resume()
  end
  table.insert(self.queue, send)
end

-- Has the server list the prompt commands; `User PillionCommands` tells that they are there.
function Server:learn_commands()
  local params = self.current and { sessionId = self.current.id } or vim.empty_dict()
  self:request('command/list', params, function(result)
    self.commands = result.commands
    vim.api.nvim_exec_autocmds('User', { pattern = 'PillionCommands', modeline = false })
  end)
end

-- Looks whether files were changed behind the buffers' back.
function Server:look_at_disk()
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    if self:owns(buf) then
      require('pillion.disk').refresh(buf)
    end
  end
end

-- Ends the process; what it ran is cancelled.
function Server:stop()
  local client = self.client
  self.sessions, self.current = {}, nil
  if not client then
    return
  end
  if vim.fn.has('nvim-0.11') == 1 then
    client:stop()
  else
    client.stop() ---@diagnostic disable-line
  end
end

return M
