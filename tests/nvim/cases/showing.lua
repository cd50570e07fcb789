-- The tour that the README shows: played as any case, and filmed.
local check = require('check')
local film = require('film')
local say = require('say')

local code = [[
local Stack = {}
Stack.__index = Stack

function Stack.new()
  return setmetatable({ items = {} }, Stack)
end

function Stack:push(item)
  table.insert(self.items, item)
end

function Stack:pop()
  return table.remove(self.items)
end

-- What pop would return.
function Stack:peek()
  return self.items[#self.items - 1]
end

return Stack
]]

local answer = 'Lua counts from 1, so the last item is at **`#self.items`**; `peek` looks one below it. '
  .. 'On a stack with one item that is `items[0]`, which is `nil`.\n\nI will fix that:'

---@type test.Case[]
return {
  {
    name = 'the tour',
    files = { ['stack.lua'] = code, ['stack_test.lua'] = '-- to do\n', ['.git/HEAD'] = '' },
    open = 'stack.lua',
    screen = { 116, 30 },
    in_terminal = true,
    init = [[
      vim.opt.runtimepath:prepend(vim.env.PLUGIN)
      vim.o.termguicolors, vim.o.background, vim.o.number, vim.o.ruler, vim.o.showcmd = true, 'dark', true, false, false
      vim.o.signcolumn, vim.o.laststatus, vim.o.guicursor = 'yes:1', 2, ''
      vim.o.statusline = "%f %m %= %{v:lua.require'pillion'.statusline()} "
      vim.opt.fillchars = { eob = ' ', fold = ' ' }
      vim.keymap.set({ 'n', 'x' }, '<Space>p', '<Plug>(pillion-ask)')
      require('pillion').setup({ cmd = { vim.env.PILLION_BINARY, 'lsp' }, approval = { idle_ms = 300 } })]],
    steps = say.turn('peek', {
      {
        { thinking = 'peek and pop should agree. pop removes the last item, so peek must look at it.' },
        say.read('stack.lua'),
      },
      {
        { text = answer, piece = 9, every_ms = 20 },
        say.edit('stack.lua', {
          { '  return self.items[#self.items - 1]', '  return self.items[#self.items]' },
        }),
      },
      {
        {
          text = 'Done: `peek` agrees with `pop` now. The file is not saved; `u` takes the edit back.',
          piece = 9,
          every_ms = 20,
        },
      },
    }),
    run = function(me, _, place)
      if place.wire ~= 'anthropic' then
        return
      end
      local tour = film.new(me, place.screen[1])
      tour:take(900)
      tour:type(':Pillion')
      tour:type('<CR>')
      tour:wait('the prompt', function()
        return me:mode() == 'i'
      end)
      tour:type('Why is peek in @sta')
      tour:wait('files are offered', function()
        return me:lua('return vim.fn.pumvisible()') == 1
      end)
      tour:take(700)
      tour:type('<C-n>')
      tour:type('<C-y>')
      tour:type(' wrong? Fix it.')
      tour:take(600)
      tour:type('<C-s>')
      tour:wait('the answer and the popup', function()
        return me:is_in_popup()
      end)
      check.eventually('the answer is in the chat', function()
        return me:chat():find('which is `nil`', 1, true)
      end)
      tour:take(2200)
      me:expect_popup('stack.lua')
      tour:type('v')
      tour:wait('both texts', function()
        return me:lua('return #vim.api.nvim_list_tabpages()') == 2
      end)
      tour:take(2200)
      tour:type('a')
      tour:wait('the end', function()
        return me:chat():find('· Done', 1, true)
      end)
      check.eventually('the edit is made', function()
        return me:buffer('stack.lua'):find('self.items[#self.items]', 1, true)
      end)
      tour:take(2500)
      tour:type('u')
      check.eventually('and undone by one key', function()
        return me:buffer('stack.lua') .. '\n' == code
      end)
      tour:wait('that is seen', function()
        return me:lua('return vim.fn.mode()') == 'n'
      end)
      tour:take(2000)
      local svg = tour:develop('Pillion in Neovim: a question, an edit that waits, its diff, and undo')
      local out = assert(io.open(vim.env.SCREENS .. '/tour.svg', 'w'))
      out:write(svg)
      out:close()
      check.check('the recording is small enough to be shown', #svg < 600 * 1024, #svg .. ' bytes')
    end,
  },
}
