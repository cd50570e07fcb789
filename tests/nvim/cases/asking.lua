-- Asking, and watching the answer come.
local check = require('check')
local say = require('say')

local poem = 'first line\nsecond line\nthird line\n'

---@type test.Case[]
return {
  {
    name = 'the answer streams, and the model reads what is not saved',
    files = { ['poem.txt'] = poem },
    open = 'poem.txt',
    steps = say.turn('what is new', {
      { { thinking = 'I should look.\nAt the file.' }, { text = 'Let me look.' }, say.read('poem.txt') },
      { { text = 'You added a **fourth', piece = 3, every_ms = 2 }, { gate = 'rest' }, { text = ' line**.' } },
    }),
    run = function(me, fake, place)
      me:type('Gofourth line, unsaved<Esc>')
      me:type(':Pillion what is new?<CR>')
      check.eventually('deltas are shown while the model still talks', function()
        return me:chat():find('You added a **fourth', 1, true)
      end)
      check.check('and nothing after them yet', not me:chat():find('line**', 1, true))
      check.eventually('the turn is on the statusline', function()
        return me:statusline():find('pillion: %a')
      end)
      check.check('the cursor stays with the person', me:lua('return vim.fn.expand("%:t")') == 'poem.txt')
      me:screen('streaming-' .. place.wire)
      fake:release('rest')
      check.eventually('the rest and the end are shown', function()
        return me:chat():find('line**.', 1, true) and me:chat():find('· Done (', 1, true)
      end)
      check.check('the model was sent the unsaved line', fake:was_sent('fourth line, unsaved'))
      check.equal('the disk is as it was', say.on_disk(place.project .. '/poem.txt'), poem)
      local chat = me:chat()
      check.check('the prompt is in the chat', chat:find('## You\n\nwhat is new?', 1, true), chat)
      check.check('so is the call, as one line', chat:find('\n✓ [^\n]*poem.txt'), chat)
      check.check('and what it took', chat:find('%d+ in, %d+ out'), chat)
      check.eventually('the reasoning is folded away', function()
        return me:lua([[
          for _, window in ipairs(vim.api.nvim_list_wins()) do
            local buf = vim.api.nvim_win_get_buf(window)
            if vim.bo[buf].filetype == 'pillion' then
              return vim.api.nvim_win_call(window, function()
                local row = vim.fn.search('I should look', 'nw')
                return vim.fn.foldclosed(row) == row and vim.fn.foldclosedend(row) == row + 1
              end)
            end
          end]])
      end)
      local typed = me:lua([[
        local chat = require('pillion.client').get(vim.fn.getcwd()).current.chat.buf
        return pcall(vim.api.nvim_buf_set_lines, chat, 0, 0, true, { 'x' })]])
      check.check('nothing is typed into the chat by accident', typed == false)
    end,
  },
  {
    name = 'lines of a buffer come along',
    files = { ['poem.txt'] = poem },
    open = 'poem.txt',
    steps = say.turn('explain', { { { text = 'It is a line.' } } }),
    run = function(me, fake)
      me:type('jAchanged<Esc>')
      me:type(':2,3Pillion explain<CR>')
      check.eventually('the turn ends', function()
        return me:chat():find('· Done', 1, true)
      end)
      check.check('the model was sent the lines', fake:was_sent('second linechanged'))
      check.check('the chat names them', me:chat():find('(lines 2 to 3 of poem.txt)', 1, true), me:chat())
    end,
  },
  {
    name = 'what the prompt points to comes along',
    files = {
      ['poem.txt'] = poem,
      ['notes/plan.md'] = 'by heart\n',
      ['.pillion/commands/learn.md'] = 'Learn $ARGUMENTS by heart.',
    },
    open = 'poem.txt',
    steps = say.turn('by heart', { { { text = 'Learnt.' } } }),
    run = function(me, fake)
      me:type('jVj<Esc>:call append(1, "an unsaved line")<CR>')
      me:lua([[vim.diagnostic.set(vim.api.nvim_create_namespace('x'), 0,
        { { lnum = 3, col = 0, severity = 2, message = 'does not rhyme', source = 'ear' } })]])
      me:type(':Pillion /learn @poem.txt:2, @notes/plan.md, @selection and @diagnostics, not @nothing<CR>')
      check.eventually('the turn ends', function()
        return me:chat():find('· Done', 1, true)
      end)
      for _, text in ipairs({
        'Learn @poem.txt:2, @notes/plan.md,',
        '     2\\tan unsaved line',
        '     1\\tby heart',
        'lines=\\"3-4\\">\\nsecond line\\nthird line',
        'poem.txt:4: warning: [ear] does not rhyme',
      }) do
        check.check('the model was sent ' .. text, fake:was_sent(text), table.concat(fake:requests(), '\n'))
      end
      local chat = me:chat()
      check.check('the chat shows what was typed', chat:find('/learn @poem.txt:2, @notes', 1, true), chat)
      check.check('and names what came along', chat:find('(line 2 of poem.txt)', 1, true), chat)
    end,
  },
  {
    name = 'a file that is not on disk yet',
    files = { ['poem.txt'] = poem },
    open = 'poem.txt',
    steps = say.turn('read the new one', { { say.read('new.txt') }, { { text = 'Read.' } } }),
    run = function(me, fake, place)
      me:type(':edit new.txt<CR>')
      me:type('ibrand new<Esc>')
      me:type(':Pillion read the new one<CR>')
      check.eventually('the turn ends', function()
        return me:chat():find('· Done', 1, true)
      end)
      check.check('the model was sent its text', fake:was_sent('brand new'))
      check.check('it is still not on disk', vim.fn.filereadable(place.project .. '/new.txt') == 0)
    end,
  },
  {
    name = 'a prompt during a turn is said to it',
    files = { ['poem.txt'] = poem },
    open = 'poem.txt',
    steps = say.script(
      say.turn('begin', { { { text = 'Beginning.' }, { gate = 'read' }, say.read('poem.txt') } }),
      { { contains = 'and also this', say = { { text = 'Both, then.' } } } }
    ),
    run = function(me, fake)
      me:type(':Pillion begin<CR>')
      check.wait('the turn runs', function()
        return me:chat():find('Beginning', 1, true)
      end)
      me:type(':Pillion and also this<CR>')
      check.eventually('the chat shows what was added', function()
        return me:chat():find('and also this', 1, true)
      end)
      fake:release('read')
      check.eventually('the same turn answers both', function()
        return me:chat():find('Both, then.', 1, true) and me:chat():find('· Done', 1, true)
      end)
    end,
  },
  {
    name = 'two sessions at once',
    files = { ['poem.txt'] = poem },
    open = 'poem.txt',
    steps = say.script(
      say.turn('task alpha', { { { text = 'Alpha starts. ' }, { gate = 'alpha' }, { text = 'Alpha ends.' } } }),
      say.turn('task beta', { { { text = 'Beta starts. ' }, { gate = 'beta' }, { text = 'Beta ends.' } } })
    ),
    run = function(me, fake)
      me:type(':Pillion task alpha<CR>')
      check.wait('the first runs', function()
        return me:chat('task alpha'):find('Alpha starts', 1, true)
      end)
      me:type(':PillionNew task beta<CR>')
      check.eventually('the second runs beside the first', function()
        return me:chat('task beta'):find('Beta starts', 1, true)
      end)
      me:expect_status('both are on the statusline', 'pillion: 2 turns')
      fake:release('beta')
      check.eventually('the second ends first', function()
        return me:chat('task beta'):find('· Done', 1, true)
      end)
      check.check('the first still runs', not me:chat('task alpha'):find('· Done', 1, true))
      fake:release('alpha')
      check.eventually('the first ends too', function()
        return me:chat('task alpha'):find('· Done', 1, true)
      end)
      check.check(
        'neither has words of the other',
        not me:chat('task alpha'):find('Beta', 1, true) and not me:chat('task beta'):find('Alpha', 1, true)
      )
    end,
  },
}
