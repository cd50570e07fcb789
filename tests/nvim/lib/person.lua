-- A person at a real Neovim: keys go in, and what is on the screen and in the buffers comes out.
local check = require('check')

local M = {}

---@class test.Person
---@field channel integer
---@field private job integer?
---@field private tmux string[]?
---@field project string
local Person = {}
Person.__index = Person

---@param folder string
---@param model test.Model
---@param wire string
---@return table<string, string>
local function environment(folder, model, wire)
  local env = {
    SUITE_PID = tostring(vim.uv.os_getpid()),
    CASE_INIT = folder .. '/init.lua',
    HOME = folder .. '/home',
    PATH = folder .. '/bin:' .. vim.env.PATH,
    TERM = 'xterm-256color',
    NVIM_LOG_FILE = folder .. '/nvim.log',
    PILLION_MODEL = wire .. '/fake',
    PILLION_STATE_DIR = folder .. '/state',
    PILLION_CONFIG = folder .. '/config.toml',
    ANTHROPIC_API_KEY = 'not-a-key',
    ANTHROPIC_BASE_URL = model.url,
    OPENAI_API_KEY = 'not-a-key',
    OPENAI_BASE_URL = model.url .. '/v1',
  }
  for _, name in ipairs({ 'CONFIG', 'DATA', 'STATE', 'CACHE' }) do
    env['XDG_' .. name .. '_HOME'] = folder .. '/xdg/' .. name:lower()
  end
  return env
end

---@class test.Place
---@field folder string where everything of this person is kept
---@field project string
---@field model test.Model
---@field wire 'anthropic'|'openai'
---@field in_terminal boolean
---@field screen integer[] columns and lines

-- Sits down in `place.project` with a file open.
---@param place test.Place
---@param file string
---@return test.Person
function M.sit_down(place, file)
  local columns, lines = unpack(place.screen)
  -- The name of a socket has little room.
  local socket = vim.fs.normalize(vim.fn.tempname())
  vim.fn.mkdir(place.folder .. '/home', 'p')
  vim.fn.mkdir(place.folder .. '/bin', 'p')
  vim.uv.fs_symlink(vim.env.PILLION_BINARY, place.folder .. '/bin/pillion')
  vim.fn.writefile({ '[retry]', 'tries = 3', 'first_wait = 0.1' }, place.folder .. '/config.toml')
  local env = environment(place.folder, place.model, place.wire)
  local cmd = { vim.env.NVIM, '-u', vim.env.SUITE .. '/init.lua', '-i', 'NONE', '-n', '--listen', socket }
  local self = setmetatable({ project = place.project }, Person)
  if place.in_terminal then
    local name = 'pillion-' .. vim.fs.basename(place.folder) .. '-' .. vim.uv.os_getpid()
    self.tmux = { 'tmux', '-L', name, '-f', '/dev/null' }
    local assignments = { 'env' }
    for key, value in pairs(env) do
      table.insert(assignments, key .. '=' .. value)
    end
    local line = vim.list_extend(assignments, vim.list_extend(cmd, { file }))
    local start = { 'new-session', '-d', '-x', columns, '-y', lines, '-c', place.project }
    self:run_tmux(vim.list_extend(start, { table.concat(vim.tbl_map(vim.fn.shellescape, line), ' ') }))
    self:run_tmux({ 'set-option', '-s', 'escape-time', '0' })
  else
    vim.list_extend(cmd, { '--embed', '--cmd', ('set columns=%d lines=%d'):format(columns, lines), file })
    self.job = vim.fn.jobstart(cmd, { rpc = true, cwd = place.project, env = env })
    -- A screen is attached, so that redraws, popups and messages are those of a real one.
    vim.rpcrequest(self.job, 'nvim_ui_attach', columns, lines, { rgb = true })
  end
  self.channel = check.wait('Neovim listens', function()
    local ok, channel = pcall(vim.fn.sockconnect, 'pipe', socket, { rpc = true })
    return ok and channel > 0 and channel
  end)
  check.wait('Neovim has started', function()
    return self:lua('return vim.v.vim_did_enter == 1')
  end)
  if self.tmux then
    check.wait('the screen is drawn', function()
      return #self:lua('return vim.api.nvim_list_uis()') > 0
        and self:run_tmux({ 'capture-pane', '-p' }):find('\n' .. file, 1, true)
    end)
  end
  return self
end

---@param arguments (string|integer)[]
---@return string
function Person:run_tmux(arguments)
  local cmd = vim.list_extend(vim.deepcopy(self.tmux), vim.tbl_map(tostring, arguments))
  local ran = vim.system(cmd, { text = true }):wait()
  if ran.code ~= 0 then
    error(('%s: %s'):format(table.concat(cmd, ' '), ran.stderr), 0)
  end
  return ran.stdout
end

---@param code string
---@return any
function Person:lua(code, ...)
  -- A message that does not fit waits for a key, and nothing else goes on until then.
  while self:mode():match('^rm?$') do
    vim.rpcrequest(self.channel, 'nvim_input', '<CR>')
  end
  return vim.rpcrequest(self.channel, 'nvim_exec_lua', code, { ... })
end

---@return string
function Person:mode()
  return vim.rpcrequest(self.channel, 'nvim_get_mode').mode
end

local tmux_names = { ['<CR>'] = 'Enter', ['<Esc>'] = 'Escape', ['<Up>'] = 'Up', ['<Down>'] = 'Down', ['<Tab>'] = 'Tab' }

---@private
---@param text string
---@param special string? a key in angle brackets, after it
function Person:send(text, special)
  if not self.tmux then
    vim.rpcrequest(self.channel, 'nvim_input', text .. (special or ''))
    return
  end
  if text ~= '' then
    self:run_tmux({ 'send-keys', '-l', '--', text })
  end
  if special then
    self:run_tmux({ 'send-keys', tmux_names[special] or assert(special:match('^<(C%-%a)>$'), special) })
  end
end

-- Presses a key, and does not wait: for one that opens or answers a prompt in which nothing can be asked of Neovim.
---@param key string
function Person:press(key)
  self:send(key:match('^[^<]*'), key:match('<.*'))
end

-- Types keys, as |nvim_input()| takes them, and waits until they have arrived. In a terminal, a key right behind <Esc>
-- would otherwise be read as one with Alt.
---@param keys string
function Person:type(keys)
  local expected = self:lua('return keys_arrived')
  for text, special in (keys .. '<>'):gmatch('([^<]*)(<[^>]*>)') do
    local is_last = special == '<>'
    self:send(text, not is_last and special or nil)
    expected = expected + #text + (is_last and 0 or 1)
    check.wait('what is typed arrives', function()
      return self:lua('return keys_arrived') >= expected
    end)
  end
end

---@param pattern string part of the buffer's name
---@return string
function Person:buffer(pattern)
  return self:lua(
    [[
    for _, buf in ipairs(vim.api.nvim_list_bufs()) do
      if vim.api.nvim_buf_get_name(buf):find(..., 1, true) then
        return table.concat(vim.api.nvim_buf_get_lines(buf, 0, -1, true), '\n')
      end
    end
    return '']],
    pattern
  )
end

-- The text of a chat; the one used last, or the one whose text has `part`.
---@param part string?
---@return string
function Person:chat(part)
  return self:lua(
    [[
    local part, found = ..., ''
    for _, buf in ipairs(vim.api.nvim_list_bufs()) do
      if vim.bo[buf].filetype == 'pillion' then
        local text = table.concat(vim.api.nvim_buf_get_lines(buf, 0, -1, true), '\n')
        if not part or text:find(part, 1, true) then
          found = text
        end
      end
    end
    return found]],
    part
  )
end

-- What the popup shows; empty when there is none.
---@return string
function Person:popup()
  return self:lua([[
    for _, window in ipairs(vim.api.nvim_list_wins()) do
      local config = vim.api.nvim_win_get_config(window)
      if config.relative ~= '' and config.title and config.title[1][1]:find('Pillion', 1, true) then
        local buf = vim.api.nvim_win_get_buf(window)
        return config.title[1][1] .. '\n' .. table.concat(vim.api.nvim_buf_get_lines(buf, 0, -1, true), '\n')
      end
    end
    return '']])
end

---@return boolean
function Person:is_in_popup()
  return self:lua([[
    local config = vim.api.nvim_win_get_config(0)
    return config.relative ~= '' and config.title ~= nil and config.title[1][1]:find('Pillion', 1, true) ~= nil]])
end

-- Waits for the popup and for the cursor to be in it, past the moment in which keys are still given back.
---@param title string?
function Person:expect_popup(title)
  check.wait('the popup ' .. (title or ''), function()
    return self:popup():find(title or 'Pillion', 1, true)
  end)
  check.wait('the popup takes the cursor', function()
    return self:is_in_popup()
  end)
  check.wait('the popup takes keys', function()
    return self:lua([[return require('pillion.popup').is_armed()]])
  end)
end

---@return string
function Person:messages()
  return self:lua([[return vim.api.nvim_exec2('messages', { output = true }).output]])
end

---@return string
function Person:statusline()
  return self:lua([[return require('pillion').statusline()]])
end

-- Waits for the words on the statusline.
---@param name string
---@param expected string
function Person:expect_status(name, expected)
  check.becomes(name, function()
    return self:statusline()
  end, expected)
end

-- Waits until there is no popup.
---@param name string
function Person:expect_no_popup(name)
  check.becomes(name, function()
    return self:popup()
  end, '')
end

---@return integer[] process ids of the servers
function Person:servers()
  return self:lua([[
    local found = {}
    for _, pid in ipairs(vim.api.nvim_get_proc_children(vim.uv.os_getpid())) do
      local info = vim.api.nvim_get_proc(pid)
      if info and info.name:find('pillion', 1, true) then
        found[#found + 1] = pid
      end
    end
    return found]])
end

-- Keeps the screen, if there is one, and returns it.
---@param name string
---@return string
function Person:screen(name)
  if not self.tmux then
    return ''
  end
  local screen = self:run_tmux({ 'capture-pane', '-p' })
  local file = assert(io.open(vim.env.SCREENS .. '/' .. name .. '.txt', 'w'))
  file:write(screen)
  file:close()
  return screen
end

-- The screen with its colours, and where the cursor is, from 0.
---@return string[] lines, integer row, integer column
function Person:picture()
  local cursor = self:run_tmux({ 'display-message', '-p', '#{cursor_y} #{cursor_x}' })
  local row, column = cursor:match('(%d+) (%d+)')
  local screen = self:run_tmux({ 'capture-pane', '-p', '-e', '-N' })
  return vim.split((screen:gsub('\n$', '')), '\n', { plain = true }), tonumber(row), tonumber(column)
end

-- What is to be known when something failed.
---@return string
function Person:explain()
  local parts = { 'mode ' .. self:mode(), 'messages:', self:messages(), 'chat:', self:chat(), 'popup:', self:popup() }
  if self.tmux then
    vim.list_extend(parts, { 'screen:', self:run_tmux({ 'capture-pane', '-p' }) })
  end
  return table.concat(parts, '\n')
end

function Person:leave()
  pcall(vim.rpcnotify, self.channel, 'nvim_exec_lua', 'vim.cmd("qall!")', {})
  if self.tmux then
    -- A server that lingers would be seen by the next case.
    vim.wait(20000, function()
      return vim.system(vim.list_extend(vim.deepcopy(self.tmux), { 'has-session' })):wait().code ~= 0
    end, 20)
    vim.system(vim.list_extend(vim.deepcopy(self.tmux), { 'kill-server' })):wait()
  else
    if vim.fn.jobwait({ self.job }, 20000)[1] == -1 then
      vim.fn.jobstop(self.job)
    end
  end
  pcall(vim.fn.chanclose, self.channel)
end

return M
