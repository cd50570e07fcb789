-- :checkhealth pillion
local M = {}

local health = vim.health
local WAIT_MS = 5000

---@param server pillion.Server
---@param method string
---@return any result, string? failure
local function ask(server, method)
  local result, failure
  server:request(method, vim.empty_dict(), function(given)
    result = given
  end, function(message)
    failure = message
  end)
  vim.wait(WAIT_MS, function()
    return result ~= nil or failure ~= nil
  end, 20)
  return result, failure
end

---@return boolean
local function check_binary()
  local cmd = require('pillion.config').options.cmd
  local path = vim.fn.exepath(cmd[1])
  if path == '' then
    health.error(('%q is not an executable'):format(cmd[1]), {
      "Install it: run `cargo install --path .` in Pillion's folder, and see that ~/.cargo/bin is on $PATH",
      "Or say where it is: require('pillion').setup({ cmd = { '/path/to/pillion', 'lsp' } })",
      'Then start Neovim anew',
    })
    return false
  end
  local ok, ran = pcall(function()
    return vim.system({ cmd[1], '--version' }, { text = true }):wait(WAIT_MS)
  end)
  if not ok or ran.code ~= 0 then
    health.error(('%s does not answer to --version'):format(path), {
      ('Run `%s --version` in a terminal to see why'):format(path),
      "Then install it again: `cargo install --path .` in Pillion's folder",
    })
    return false
  end
  health.ok(('%s (%s)'):format(vim.trim(ran.stdout), path))
  return true
end

---@param hint string? of the server, which says what to do
---@return string[]
local function advice(hint)
  return { hint or '`pillion doctor` in a terminal says what is wrong', 'Then start Neovim anew' }
end

---@param models pillion.ModelListResponse
local function check_model(models)
  for _, model in ipairs(models.models) do
    if model.id == models.default then
      if model.ready then
        health.ok('the model for new sessions is ' .. model.id)
      else
        health.error(('the model %s is not ready'):format(model.id), advice(model.hint))
      end
      return
    end
  end
  if models.default then
    health.ok('the model for new sessions is ' .. models.default)
  else
    health.error('no model is chosen', {
      "Set a provider's key and a model, then start Neovim from that terminal:\n"
        .. '    export ANTHROPIC_API_KEY=...\n'
        .. '    export PILLION_MODEL=anthropic/claude-sonnet-4-5',
      'Or try it without a key: PILLION_MODEL=scripted/hello nvim',
      '`pillion doctor` says where to keep it for good',
    })
  end
end

---@param servers pillion.McpServerInfo[]
local function check_mcp(servers)
  for _, server in ipairs(servers) do
    if server.state == 'failed' then
      health.warn(('the MCP server %s failed: %s'):format(server.name, server.error or 'it does not say why'), {
        ('Correct `command` or `url` of [mcp.%s] in your config.toml, or switch it off: enabled = false'):format(
          server.name
        ),
        '`pillion doctor` in a terminal says whether its program can be found',
      })
    elseif server.state ~= 'disabled' then
      health.ok(('the MCP server %s is %s, with %d tools'):format(server.name, server.state, server.tools))
    end
  end
end

local function check_server()
  local client = require('pillion.client')
  local server = client.get(require('pillion.config').options.root(0))
  local was_running = server.client ~= nil
  local models, failure = ask(server, 'model/list')
  local mcp = models and ask(server, 'mcp/list')
  if not was_running then
    server:stop()
  end
  if not models then
    health.error('the server does not answer: ' .. (failure or ('nothing within %d s'):format(WAIT_MS / 1000)), {
      'Run `pillion doctor` in a terminal: it says what is wrong and what to do',
      'What the server said stands in the log: :lua vim.cmd.edit(vim.lsp.get_log_path())',
    })
    return
  end
  health.ok('the server starts and answers')
  check_model(models)
  check_mcp(mcp and mcp.servers or {})
end

local function check_editor()
  if not pcall(vim.treesitter.language.inspect, 'markdown') then
    health.info(
      "no tree-sitter parser for Markdown: chats are shown with Vim's own syntax (`:TSInstall markdown` adds it)"
    )
  end
  if vim.o.autoread then
    health.ok("'autoread' is set: files that a command changed are read again")
  else
    health.warn("'autoread' is off: files that a command changed stay as they were until :edit", {
      'Put `vim.o.autoread = true` into your init.lua',
    })
  end
end

function M.check()
  health.start('pillion')
  if vim.fn.has('nvim-0.10') == 1 then
    health.ok('Neovim ' .. tostring(vim.version()))
  else
    health.error(
      ('Neovim %s is too old'):format(tostring(vim.version())),
      { 'Install Neovim 0.10 or newer, best the latest' }
    )
  end
  if not jit then
    health.warn('this Neovim has no LuaJIT', {
      'Approvals are asked with vim.ui.select, without the diff',
      'A Neovim with LuaJIT shows it: `nvim --version` names it in its first lines',
    })
  end
  check_editor()
  if check_binary() then
    check_server()
  end
end

return M
