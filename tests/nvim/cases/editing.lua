-- Edits land beside what is typed, and undo as one step.
local check = require('check')
local say = require('say')

local code = 'local a = 1\nlocal b = 2\nlocal c = 3\nlocal d = 4\nlocal e = 5\n'
  .. 'local f = 6\nlocal g = 7\nlocal h = 8\nlocal i = 9\nlocal j = 10\nlocal k = 11\nlocal l = 12\n'

---@param me test.Person
local function done(me)
  check.wait('the turn ends', function()
    return me:chat():find('· Done', 1, true)
  end)
end

---@type test.Case[]
return {
  {
    name = 'typing goes on while an approval is open',
    files = { ['code.lua'] = code },
    open = 'code.lua',
    steps = say.turn('rename b', {
      { say.read('code.lua') },
      { { gate = 'edit' }, say.edit('code.lua', { { 'local b = 2', 'local better = 2' } }) },
      { { text = 'Renamed.' } },
    }),
    run = function(me, fake, place)
      me:type('Go-- typed before<Esc>')
      me:type(':Pillion rename b<CR>')
      check.wait('the file is read', function()
        return me:chat():find('✓', 1, true)
      end)
      me:type('Go-- typed while it runs: ')
      fake:release('edit')
      check.eventually('the popup comes', function()
        return me:popup():find('+local better = 2', 1, true)
      end)
      me:type('adps derch q')
      check.eventually('what is typed is not an answer', function()
        return me:buffer('code.lua'):find('it runs: adps derch q', 1, true)
      end)
      check.check('the popup is still there', me:popup() ~= '')
      check.check('and the cursor is where it was', me:mode() == 'i' and not me:is_in_popup(), me:mode())
      me:screen('approval-typing-' .. place.wire)
      me:type('<Esc>')
      me:expect_popup('code.lua')
      check.check('the diff shows both sides', me:popup():find('-local b = 2\n+local better = 2', 1, true), me:popup())
      me:screen('approval-' .. place.wire)
      local before = me:buffer('code.lua')
      me:type('a')
      check.eventually('the edit lands', function()
        return me:buffer('code.lua'):find('local better = 2', 1, true)
      end)
      done(me)
      check.equal(
        'and leaves what was typed alone',
        me:buffer('code.lua'),
        (before:gsub('local b = 2', 'local better = 2'))
      )
      check.equal('the disk is as it was', say.on_disk(place.project .. '/code.lua'), code)
      check.becomes('the cursor is back in the file', function()
        return me:lua('return vim.fn.expand("%:t")')
      end, 'code.lua')
      me:type('u')
      check.eventually('one undo takes the edit back, whole and alone', function()
        return me:buffer('code.lua') == before
      end)
      me:type('<C-r>')
      check.eventually('and redo brings it again', function()
        return me:buffer('code.lua'):find('local better = 2', 1, true)
      end)
      me:type(':write<CR>')
      check.eventually('it is on the disk once saved', function()
        return say.on_disk(place.project .. '/code.lua'):find('local better = 2', 1, true)
      end)
    end,
  },
  {
    name = 'several places are one undo step',
    files = { ['code.lua'] = code },
    open = 'code.lua',
    steps = say.turn('change two', {
      { say.read('code.lua') },
      {
        say.edit(
          'code.lua',
          { { 'local a = 1', 'local a = 100\nlocal aa = 101' }, { 'local l = 12', 'local l = 1200' } }
        ),
      },
      { { text = 'Changed.' } },
    }),
    run = function(me, _, place)
      me:type('4GA -- mine<Esc>')
      local before = me:buffer('code.lua')
      me:type(':Pillion change two<CR>')
      me:expect_popup('code.lua')
      me:screen('approval-two-hunks-' .. place.wire)
      me:type('a')
      check.eventually('both places change', function()
        local text = me:buffer('code.lua')
        return text:find('local aa = 101', 1, true) and text:find('local l = 1200', 1, true)
      end)
      done(me)
      me:type('u')
      check.eventually('one undo takes both back', function()
        return me:buffer('code.lua') == before
      end)
      me:type('u')
      check.eventually('the next one takes back what was typed', function()
        return me:buffer('code.lua') .. '\n' == code
      end)
    end,
  },
  {
    name = 'an edit in the middle of typing',
    files = { ['code.lua'] = code },
    open = 'code.lua',
    steps = say.turn('change it', {
      { say.read('code.lua') },
      { { gate = 'edit' }, say.edit('code.lua', { { 'local a = 1', 'local a = 100\nlocal aa = 101' } }) },
      { { text = 'Changed.' } },
    }),
    run = function(me, fake)
      me:type(':Pillion change it<CR>')
      check.wait('the file is read', function()
        return me:chat():find('✓', 1, true)
      end)
      me:type(':PillionMode acceptEdits<CR>')
      check.eventually('the mode is in the chat', function()
        return me:chat():find('mode acceptEdits', 1, true)
      end)
      me:type('1GA -- before')
      check.wait('that is typed', function()
        return me:buffer('code.lua'):find('-- before', 1, true)
      end)
      fake:release('edit')
      check.eventually('the edit lands without a question', function()
        return me:buffer('code.lua'):find('local a = 100\nlocal aa = 101 -- before', 1, true)
      end)
      me:type(' -- after<Esc>')
      check.eventually('typing goes on where it was', function()
        return me:buffer('code.lua'):find('local aa = 101 -- before -- after', 1, true)
      end)
      done(me)
      me:type('u')
      check.eventually('the first undo takes what was typed last', function()
        return me:buffer('code.lua'):find('local aa = 101 -- before\n', 1, true)
      end)
      me:type('u')
      check.eventually('the next one the edit', function()
        return me:buffer('code.lua') .. '\n' == (code:gsub('local a = 1\n', 'local a = 1 -- before\n'))
      end)
    end,
  },
  {
    name = 'the person changes the very lines',
    files = { ['code.lua'] = code },
    open = 'code.lua',
    steps = say.turn('rename c', {
      { say.read('code.lua') },
      { { gate = 'edit' }, say.edit('code.lua', { { 'local c = 3', 'local see = 3' } }) },
      { { text = 'I see it changed.' } },
    }),
    run = function(me, fake)
      me:type(':Pillion rename c<CR>')
      fake:release('edit')
      me:expect_popup('code.lua')
      -- Back to the file, to the very line that the popup is about.
      me:lua([[vim.cmd('wincmd p')]])
      check.wait('the cursor is in the file', function()
        return me:lua('return vim.fn.expand("%:t")') == 'code.lua'
      end)
      me:type('3Gcclocal sea = 33<Esc>')
      check.wait('the line is changed', function()
        return me:buffer('code.lua'):find('local sea = 33', 1, true)
      end)
      me:type(':PillionApprovals<CR>')
      me:expect_popup('code.lua')
      me:type('a')
      check.eventually('the edit is refused and the model hears why', function()
        return me:chat():find('I see it changed.', 1, true)
      end)
      done(me)
      check.check('the line is the person’s', me:buffer('code.lua'):find('\nlocal sea = 33\n', 1, true))
      check.check('nothing of the edit is there', not me:buffer('code.lua'):find('see', 1, true))
    end,
  },
  {
    name = 'a file that somebody else changed is not overwritten',
    files = { ['code.lua'] = code },
    open = 'code.lua',
    steps = say.turn('run it', { { say.bash('cat code.lua') }, { { text = 'It ran.' } } }),
    run = function(me, fake, place)
      me:type('Go-- typed, not saved<Esc>')
      vim.fn.writefile({ '-- by somebody else' }, place.project .. '/code.lua')
      me:type(':Pillion run it<CR>')
      me:expect_popup()
      me:type('a')
      done(me)
      check.equal('the disk has what they wrote', say.on_disk(place.project .. '/code.lua'), '-- by somebody else\n')
      check.check('the buffer has what was typed', me:buffer('code.lua'):find('typed, not saved', 1, true))
      check.eventually('the person is told', function()
        return me:messages():find('code.lua has changed on disk too', 1, true)
      end)
      check.check('the model is told', fake:was_sent('the command saw these files without the unsaved changes'))
    end,
  },
  {
    name = 'a command sees what was typed, and its changes are seen',
    files = { ['code.lua'] = code, ['other.txt'] = 'other\n' },
    open = 'code.lua',
    steps = say.turn('run it', {
      { say.bash('grep -c "typed, not saved" code.lua; echo changed by the command > other.txt') },
      { { text = 'It ran.' } },
    }),
    run = function(me, fake, place)
      me:type(':edit other.txt<CR>')
      me:type(':edit code.lua<CR>')
      me:type('Go-- typed, not saved<Esc>')
      me:type(':Pillion run it<CR>')
      me:expect_popup()
      check.check('the popup shows the command', me:popup():find('$ grep -c', 1, true), me:popup())
      me:screen('approval-command-' .. place.wire)
      me:type('a')
      done(me)
      check.check(
        'the buffer was saved first',
        say.on_disk(place.project .. '/code.lua'):find('typed, not saved', 1, true)
      )
      check.check('so the command saw it', fake:was_sent('1\\n'), fake:requests()[2])
      check.eventually('the file that it changed is read again', function()
        return me:buffer('other.txt') == 'changed by the command'
      end)
    end,
  },
}
