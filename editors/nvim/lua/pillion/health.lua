-- :checkhealth pillion
local M = {}

local health = vim.health
local WAIT_MS = 5000

---@return boolean
local function check_binary()
  local cmd = require('pillion.config').options.cmd
  local path = vim.fn.exepath(cmd[1])
  if path == '' then
    health.error(('%q is not an executable'):format(cmd[1]), {
      'Install it: cargo install pillion, or put the binary on $PATH',
      "Or say where it is: require('pillion').setup({ cmd = { '/path/to/pillion', 'lsp' } })",
    })
    return false
  end
  local ok, ran = pcall(function()
    return vim.system({ cmd[1], '--version' }, { text = true }):wait(WAIT_MS)
  end)
  if not ok or ran.code ~= 0 then
    health.error(('%s does not answer to --version'):format(path), { 'Build or install it again' })
    return false
  end
  health.ok(('%s (%s)'):format(vim.trim(ran.stdout), path))
  return true
end

local function check_models()
  local client = require('pillion.client')
  local server = client.get(require('pillion.config').options.root(0))
  local was_running = server.client ~= nil
  local models, failure
  server:request('model/list', vim.empty_dict(), function(result)
    models = result
  end, function(message)
    failure = message
  end)
  vim.wait(WAIT_MS, function()
    return models ~= nil or failure ~= nil
  end, 20)
  if not was_running then
    server:stop()
  end
  if not models then
    health.error('the server does not answer: ' .. (failure or ('nothing within %d s'):format(WAIT_MS / 1000)), {
      'See :LspLog (on Neovim 0.10: :lua vim.cmd.edit(vim.lsp.get_log_path()))',
    })
    return
  end
  health.ok('the server starts and answers')
  for _, model in ipairs(models.models) do
    if model.id == models.default then
      if model.ready then
        health.ok('the model for new sessions is ' .. model.id)
      else
        health.error(('the model %s is not ready'):format(model.id), { model.hint })
      end
      return
    end
  end
  if models.default then
    health.ok('the model for new sessions is ' .. models.default)
  else
    health.error('no model is configured', { 'Set PILLION_MODEL, or `model` in the configuration file' })
  end
end

function M.check()
  health.start('pillion')
  if vim.fn.has('nvim-0.10') == 1 then
    health.ok('Neovim ' .. tostring(vim.version()))
  else
    health.error('Neovim is too old', { 'Install 0.10 or newer' })
  end
  if not jit then
    health.warn('this Neovim has no LuaJIT', { 'Approvals are asked with vim.ui.select, without the diff' })
  end
  if check_binary() then
    check_models()
  end
end

return M
