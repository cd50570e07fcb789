-- The prompt below the chat, and the ways to it.
local check = require('check')
local say = require('say')

local poem = 'first line\nsecond line\nthird line\n'

---@param me test.Person
---@param count integer?
local function done(me, count)
  check.wait('the turn ends', function()
    return select(2, me:chat():gsub('· Done', '')) >= (count or 1)
  end)
end

---@param me test.Person
---@return boolean
local function is_in_prompt(me)
  return me:lua([[return vim.bo.filetype == 'pillionprompt']]) and me:mode():sub(1, 1) == 'i'
end

---@param me test.Person
local function expect_prompt(me)
  check.eventually('a prompt waits for words', function()
    return is_in_prompt(me)
  end)
end

---@param me test.Person
---@param word string
local function expect_offer(me, word)
  check.eventually(word .. ' is offered', function()
    return me:lua(
      [[
      local word, found = ..., false
      if vim.fn.pumvisible() == 1 then
        for _, item in ipairs(vim.fn.complete_info({ 'items' }).items) do
          found = found or item.word == word
        end
      end
      return found]],
      word
    )
  end)
end

-- Takes the only thing that is offered.
---@param me test.Person
---@param word string
local function take_offer(me, word)
  expect_offer(me, word)
  me:type('<C-n>')
  check.wait(word .. ' is chosen', function()
    return me:lua([[return vim.fn.complete_info({ 'selected' }).selected]]) == 0
  end)
  me:type('<C-y>')
end

---@type test.Case[]
return {
  {
    name = 'a prompt of several lines, with files and commands completed',
    files = {
      ['poem.txt'] = poem,
      ['notes/plan.md'] = 'by heart\n',
      ['.pillion/commands/learn.md'] = '---\ndescription: Learns a text\n---\nLearn $ARGUMENTS by heart.',
    },
    open = 'poem.txt',
    steps = say.turn('by heart', { { { text = 'Learnt.' } } }),
    run = function(me, fake, place)
      me:type(':Pillion<CR>')
      expect_prompt(me)
      me:type('/le')
      expect_offer(me, '/learn')
      me:screen('prompt-command-' .. place.wire)
      take_offer(me, '/learn')
      me:type(' the lines<CR>')
      me:type('of @pl')
      expect_offer(me, '@notes/plan.md')
      me:screen('prompt-mention-' .. place.wire)
      take_offer(me, '@notes/plan.md')
      me:type(' now')
      check.becomes('what was chosen is there, and nothing else', function()
        return me:buffer('pillion://prompt')
      end, '/learn the lines\nof @notes/plan.md now')
      me:type('<C-s>')
      done(me)
      check.check('the command was said', fake:was_sent('Learn the lines'), table.concat(fake:requests(), '\n'))
      check.check('the file came along', fake:was_sent('1\\tby heart'))
      check.equal('the prompt is empty again', me:buffer('pillion://prompt'), '')
      check.check('the cursor is back in the file', me:lua('return vim.fn.expand("%:t")') == 'poem.txt')
      check.equal('and it is normal mode', me:mode(), 'n')
    end,
  },
  {
    name = 'selected lines, a motion, and what was asked before',
    files = { ['poem.txt'] = poem },
    open = 'poem.txt',
    steps = say.script(
      say.turn('explain these', { { { text = 'They are lines.' } } }),
      say.turn('and that', { { { text = 'That too.' } } })
    ),
    run = function(me, fake, place)
      me:lua([[
        vim.keymap.set('x', 'gp', '<Plug>(pillion-ask)')
        vim.keymap.set('n', 'gp', '<Plug>(pillion-operator)')]])
      me:type('jVjgp')
      expect_prompt(me)
      me:screen('prompt-range-' .. place.wire)
      me:type('explain these<Esc>')
      me:type('<CR>')
      done(me)
      check.check('the model was sent the selected lines', fake:was_sent('lines=\\"2-3\\">\\nsecond line\\nthird line'))
      me:type('gggpj')
      expect_prompt(me)
      me:type('and that, not sent')
      me:type('<Up>')
      check.eventually('the arrow brings what was asked before', function()
        return me:buffer('pillion://prompt') == 'explain these'
      end)
      me:type('<Down>')
      check.eventually('and back what is being written', function()
        return me:buffer('pillion://prompt') == 'and that, not sent'
      end)
      me:type('<C-s>')
      done(me, 2)
      check.check(
        'the model was sent what the motion covers',
        fake:was_sent('lines=\\"1-2\\">\\nfirst line\\nsecond line')
      )
    end,
  },
  {
    name = 'from the chat to the prompt and back',
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
      me:lua([[vim.cmd('wincmd l')]])
      me:type('i')
      expect_prompt(me)
      me:type('and also this')
      me:type('<C-s>')
      check.eventually('it is said to the turn that runs', function()
        return me:chat():find('and also this', 1, true)
      end)
      fake:release('read')
      check.eventually('which answers both', function()
        return me:chat():find('Both, then.', 1, true) and me:chat():find('· Done', 1, true)
      end)
    end,
  },
  {
    name = 'the command line completes as well',
    files = { ['poem.txt'] = poem, ['.pillion/commands/learn.md'] = 'Learn $ARGUMENTS.' },
    open = 'poem.txt',
    steps = say.turn('Learn', { { { text = 'Learnt.' } } }),
    run = function(me)
      me:type(':Pillion /learn it<CR>')
      done(me)
      me:lua([[require('pillion.client').get(vim.fn.getcwd()):learn_commands()]])
      check.eventually('commands', function()
        return vim.deep_equal(me:lua([[return vim.fn.getcompletion('Pillion /le', 'cmdline')]]), { '/learn' })
      end)
      check.equal('files', me:lua([[return vim.fn.getcompletion('Pillion see @poe', 'cmdline')[1] ]]), '@poem.txt')
    end,
  },
  {
    name = 'a buffer without a name is seen and edited',
    files = { ['poem.txt'] = poem },
    open = 'poem.txt',
    steps = say.turn('look around', {
      { { tool = 'grep', input = { pattern = 'scribbled' } } },
      { { text = 'Found it.' } },
    }),
    run = function(me, fake)
      me:type(':enew<CR>') -- typos:ignore
      me:type('ifirst<CR>scribbled here<Esc>')
      me:type(':Pillion look around<CR>')
      done(me)
      check.check('the model was sent what is in it', fake:was_sent('scribbled here'), fake:requests()[2])
      me:type('Gomore scribbled<Esc>')
      local uri = me:lua([[return require('pillion.untitled').uri(vim.api.nvim_get_current_buf())]])
      fake:replace(say.turn('change it', {
        { say.read(uri) },
        { say.edit(uri, { { 'scribbled here', 'written here' } }) },
        { { text = 'Changed.' } },
      }))
      me:type(':Pillion change it<CR>')
      me:expect_popup()
      me:type('a')
      check.eventually('the edit lands in it', function()
        return me:lua([[return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), '\n')]])
          == 'first\nwritten here\nmore scribbled'
      end)
      done(me, 2)
      me:type('u')
      check.eventually('as one undo step', function()
        return me:lua([[return vim.api.nvim_buf_get_lines(0, 1, 2, true)[1] ]]) == 'scribbled here'
      end)
      me:type(':file named.txt<CR>')
      fake:replace(say.turn('once more', { { say.read('named.txt') }, { { text = 'Read.' } } }))
      me:type(':Pillion once more<CR>')
      done(me, 3)
      check.check(
        'with a name, it is seen under that',
        fake:was_sent('more scribbled') and me:chat():find('✓ [^\n]*named.txt'),
        me:chat()
      )
    end,
  },
}
