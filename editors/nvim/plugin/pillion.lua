-- The commands and the <Plug> mappings. Nothing else is loaded before one of them is used.
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

---@param names string[]
---@return fun(lead: string): string[]
local function one_of(names)
  return function(lead)
    return vim.tbl_filter(function(name)
      return vim.startswith(name, lead)
    end, names)
  end
end

---@return string[]
local function complete_prompt(_, line, position)
  return require('pillion.complete').command_line(line, position)
end

command('Pillion', function(args)
  require('pillion').ask(args.args, { range = range(args) })
end, { nargs = '*', range = true, complete = complete_prompt, desc = 'Ask Pillion, or say more to the turn that runs' })

command('PillionNew', function(args)
  require('pillion').new(args.args, { range = range(args) })
end, { nargs = '*', range = true, complete = complete_prompt, desc = 'Start another session' })

command('PillionChat', function()
  require('pillion').toggle_chat()
end, { desc = 'Show or hide the chat' })

command('PillionCancel', function()
  require('pillion').cancel()
end, { desc = 'Stop the running turn' })

command('PillionApprovals', function()
  require('pillion').approvals()
end, { desc = 'Go to the calls that wait for an answer' })

command('PillionSessions', function(args)
  require('pillion').sessions(args.args)
end, {
  nargs = '?',
  complete = one_of({ 'open', 'fork', 'rename', 'delete' }),
  desc = 'Open a session, running or stored; or fork, rename or delete it',
})

command('PillionMode', function(args)
  require('pillion').mode(args.args)
end, {
  nargs = '?',
  complete = function(lead)
    return one_of(require('pillion.config').modes)(lead)
  end,
  desc = 'Choose how much happens without asking',
})

command('PillionModel', function(args)
  require('pillion').model(args.args)
end, { nargs = '?', desc = 'Choose the model' })

command('PillionTasks', function()
  require('pillion').tasks()
end, { desc = 'Look at what runs in the background, or stop it' })

command('PillionBackground', function()
  require('pillion').background()
end, { desc = 'Have the running command go on in the background' })

command('PillionCompact', function(args)
  require('pillion').compact(args.args)
end, { nargs = '*', desc = 'Make the conversation shorter for the model' })

command('PillionChanges', function(args)
  require('pillion.changes').list(args.bang)
end, { bang = true, desc = 'List what the latest turn changed, or with ! all turns' })

command('PillionReview', function()
  require('pillion.changes').review()
end, { desc = 'Show a changed file beside what it was' })

local extents = { 'hunk', 'file', 'turn' }

command('PillionKeep', function(args)
  require('pillion.changes').keep(args.args ~= '' and args.args or 'hunk')
end, { nargs = '?', complete = one_of(extents), desc = 'Take the signs off what was changed' })

command('PillionRevert', function(args)
  require('pillion.changes').revert(args.args ~= '' and args.args or 'hunk')
end, { nargs = '?', complete = one_of(extents), desc = 'Take back what was changed' })

---@param modes string|string[]
---@param name string
---@param action string|fun(): string?
---@param description string
local function plug(modes, name, action, description)
  vim.keymap.set(modes, ('<Plug>(pillion-%s)'):format(name), action, { desc = 'Pillion: ' .. description })
end

plug('n', 'ask', '<Cmd>Pillion<CR>', 'ask')
plug('x', 'ask', ':Pillion<CR>', 'ask about the selected lines')
vim.keymap.set('n', '<Plug>(pillion-operator)', function()
  return require('pillion.operator').start()
end, { expr = true, desc = 'Pillion: ask about what a motion covers' })
plug({ 'n', 'i' }, 'approvals', '<Cmd>PillionApprovals<CR>', 'what waits for me')
plug('n', 'cancel', '<Cmd>PillionCancel<CR>', 'stop')
plug('n', 'chat', '<Cmd>PillionChat<CR>', 'show or hide the chat')
plug('n', 'changes', '<Cmd>PillionChanges<CR>', 'list what was changed')
plug('n', 'review', '<Cmd>PillionReview<CR>', 'the changed file beside what it was')
plug('n', 'keep', '<Cmd>PillionKeep<CR>', 'keep the change at the cursor')
plug('n', 'revert', '<Cmd>PillionRevert<CR>', 'take the change at the cursor back')
plug('n', 'next-change', function()
  require('pillion.changes').go(1)
end, 'the next change')
plug('n', 'previous-change', function()
  require('pillion.changes').go(-1)
end, 'the change before')
