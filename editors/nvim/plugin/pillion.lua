-- The commands. Nothing else is loaded before one of them is used.
if vim.g.loaded_pillion then
  return
end
vim.g.loaded_pillion = true

if vim.fn.has('nvim-0.10') == 0 then
  vim.notify('pillion needs Neovim 0.10 or newer', vim.log.levels.ERROR)
  return
end

local command = vim.api.nvim_create_user_command

---@param args table what |nvim_create_user_command()| hands over
---@return pillion.Range?
local function range(args)
  return args.range > 0 and { first = args.line1, last = args.line2 } or nil
end

command('Pillion', function(args)
  require('pillion').ask(args.args, { range = range(args) })
end, { nargs = '*', range = true, desc = 'Ask Pillion, or say more to the turn that runs' })

command('PillionNew', function(args)
  require('pillion').new(args.args, { range = range(args) })
end, { nargs = '*', range = true, desc = 'Start another session, with a prompt if given' })

command('PillionChat', function()
  require('pillion').toggle_chat()
end, { desc = 'Show or hide the chat' })

command('PillionCancel', function()
  require('pillion').cancel()
end, { desc = 'Stop the running turn' })

command('PillionApprovals', function()
  require('pillion').approvals()
end, { desc = 'Go to the calls that wait for an answer' })

command('PillionSessions', function()
  require('pillion').sessions()
end, { desc = 'Open a session, running or stored' })

command('PillionMode', function(args)
  require('pillion').mode(args.args)
end, {
  nargs = '?',
  complete = function(lead)
    return vim.tbl_filter(function(mode)
      return vim.startswith(mode, lead)
    end, require('pillion.config').modes)
  end,
  desc = 'Choose how much happens without asking',
})

command('PillionModel', function(args)
  require('pillion').model(args.args)
end, { nargs = '?', desc = 'Choose the model' })

vim.keymap.set('n', '<Plug>(pillion-approvals)', '<Cmd>PillionApprovals<CR>', { desc = 'Pillion: what waits for me' })
vim.keymap.set('n', '<Plug>(pillion-cancel)', '<Cmd>PillionCancel<CR>', { desc = 'Pillion: stop' })
vim.keymap.set('n', '<Plug>(pillion-chat)', '<Cmd>PillionChat<CR>', { desc = 'Pillion: show or hide the chat' })
vim.keymap.set('i', '<Plug>(pillion-approvals)', '<Cmd>PillionApprovals<CR>', { desc = 'Pillion: what waits for me' })
