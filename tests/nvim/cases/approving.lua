-- Every answer to an approval.
local check = require('check')
local say = require('say')

local code = 'one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\neleven\ntwelve\nthirteen\nfourteen\n'

---@param me test.Person
---@param count integer?
local function done(me, count)
  check.wait('the turn ends', function()
    return select(2, me:chat():gsub('· Done', '')) >= (count or 1)
  end)
end

local function read_and_edit(prompt, changes)
  return say.turn(prompt, { { say.read('list.txt') }, { say.edit('list.txt', changes) }, { { text = 'Heard.' } } })
end

---@type test.Case[]
return {
  {
    name = 'deny, and deny with a reason',
    files = { ['list.txt'] = code },
    open = 'list.txt',
    steps = say.script(
      read_and_edit('first try', { { 'two', 'TWO' } }),
      read_and_edit('second try', { { 'two', 'TWO' } })
    ),
    run = function(me, fake)
      me:type(':Pillion first try<CR>')
      me:expect_popup('list.txt')
      me:type('d')
      done(me)
      check.check('the chat says so', me:chat():find('⊘ [^\n]*list.txt[^\n]* — denied'), me:chat())
      me:expect_no_popup('the popup is gone')
      me:type(':Pillion second try<CR>')
      me:expect_popup('list.txt')
      me:type('r')
      check.wait('the reason is asked for', function()
        return me:mode() == 'c'
      end)
      me:type('keep it lower case<CR>')
      done(me, 2)
      check.check('the model was sent the reason', fake:was_sent('keep it lower case'))
      check.equal('the buffer is as it was', me:buffer('list.txt') .. '\n', code)
    end,
  },
  {
    name = 'only the chosen hunks',
    files = { ['list.txt'] = code },
    open = 'list.txt',
    steps = read_and_edit('two places', { { 'one', 'ONE' }, { 'fourteen', 'FOURTEEN' } }),
    run = function(me, _, place)
      me:type(':Pillion two places<CR>')
      me:expect_popup('list.txt')
      check.eventually('there are two hunks', function()
        return select(2, me:popup():gsub('@@ %-', '')) == 2
      end)
      me:type('gg')
      me:type('h')
      me:screen('approval-hunks-' .. place.wire)
      me:type('a')
      check.eventually('the chosen one lands', function()
        return me:buffer('list.txt'):find('FOURTEEN', 1, true)
      end)
      done(me)
      check.check('the other does not', vim.startswith(me:buffer('list.txt'), 'one\n'), me:buffer('list.txt'))
    end,
  },
  {
    name = 'the input edited first',
    files = { ['list.txt'] = code },
    open = 'list.txt',
    steps = read_and_edit('rename', { { 'three', 'THREE' } }),
    run = function(me)
      me:type(':Pillion rename<CR>')
      me:expect_popup('list.txt')
      me:type('e')
      check.eventually('the input is there as JSON', function()
        return me:lua('return vim.bo.filetype') == 'json'
          and me:lua('return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), "\\n")'):find('"THREE"', 1, true)
      end)
      me:type(':%s/THREE/drei/<CR>')
      me:type(':write<CR>')
      check.eventually('the edit lands as it was changed', function()
        return me:buffer('list.txt'):find('\ndrei\n', 1, true)
      end)
      done(me)
    end,
  },
  {
    name = 'allowed for the session',
    files = { ['list.txt'] = code },
    open = 'list.txt',
    steps = say.script(
      read_and_edit('the first', { { 'five', 'FIVE' } }),
      read_and_edit('the second', { { 'eight', 'EIGHT' } })
    ),
    run = function(me)
      me:type(':Pillion the first<CR>')
      me:expect_popup('list.txt')
      check.check('the popup says what would be allowed', me:popup():find('s, p and u allow', 1, true), me:popup())
      me:type('s')
      done(me)
      me:type(':Pillion the second<CR>')
      done(me, 2)
      check.check(
        'the second is not asked for',
        me:buffer('list.txt'):find('FIVE\nsix\nseven\nEIGHT', 1, true),
        me:buffer('list.txt')
      )
    end,
  },
  {
    name = 'put off, and brought back',
    files = { ['list.txt'] = code },
    open = 'list.txt',
    steps = read_and_edit('later', { { 'six\n', 'SIX\n' } }),
    run = function(me)
      me:type(':Pillion later<CR>')
      me:expect_popup('list.txt')
      me:type('q')
      check.eventually('the popup hides', function()
        return me:popup() == ''
      end)
      me:expect_status('it still waits', 'pillion: 1 waits for you')
      me:type(':PillionApprovals<CR>')
      me:expect_popup('list.txt')
      me:type('a')
      check.eventually('the edit lands', function()
        return me:buffer('list.txt'):find('SIX', 1, true)
      end)
      done(me)
    end,
  },
  {
    name = 'a key that was meant for the file',
    files = { ['list.txt'] = code },
    open = 'list.txt',
    steps = read_and_edit('a change', { { 'seven', 'SEVEN' } }),
    run = function(me)
      -- Long enough for a busy machine; a person has 0.4 s.
      me:lua([[require('pillion.config').options.approval.guard_ms = 60000]])
      me:type('gg')
      me:type(':Pillion a change<CR>')
      check.eventually('the popup takes the cursor of a person who rests', function()
        return me:is_in_popup()
      end)
      me:type('dd')
      check.eventually('what is typed at that moment still goes to the file', function()
        return vim.startswith(me:buffer('list.txt'), 'two\n')
      end)
      check.eventually('and answers nothing', function()
        return me:popup():find('SEVEN', 1, true) and not me:is_in_popup()
      end)
      me:type(':PillionApprovals<CR>')
      me:expect_popup('list.txt')
      me:type('a')
      check.eventually('the answer counts once it is meant', function()
        return me:buffer('list.txt'):find('SEVEN', 1, true)
      end)
    end,
  },
  {
    name = 'two sessions ask at once',
    files = { ['list.txt'] = code },
    open = 'list.txt',
    steps = say.script(
      read_and_edit('task alpha', { { 'eleven', 'ELEVEN' } }),
      read_and_edit('task beta', { { 'twelve', 'TWELVE' } })
    ),
    run = function(me)
      me:type(':Pillion task alpha<CR>')
      me:expect_popup('list.txt')
      me:lua([[vim.cmd('wincmd p')]])
      me:type(':PillionNew task beta<CR>')
      check.eventually('both wait, one behind the other', function()
        return me:popup():find('(1 of 2)', 1, true)
      end)
      me:type(':PillionApprovals<CR>')
      me:expect_popup('list.txt')
      me:type('a')
      check.eventually('the second is shown when the first is answered', function()
        return me:popup():find('TWELVE', 1, true)
      end)
      me:expect_popup('list.txt')
      me:type('a')
      check.eventually('both land', function()
        return me:buffer('list.txt'):find('ELEVEN\nTWELVE', 1, true)
      end)
    end,
  },
  {
    name = 'the turn cancelled from the popup',
    files = { ['list.txt'] = code },
    open = 'list.txt',
    steps = read_and_edit('never mind', { { 'nine', 'NINE' } }),
    run = function(me)
      me:type(':Pillion never mind<CR>')
      me:expect_popup('list.txt')
      me:type('c')
      check.eventually('the turn stops', function()
        return me:chat():find('· Stopped', 1, true)
      end)
      me:expect_no_popup('the popup is gone')
      check.equal('the buffer is as it was', me:buffer('list.txt') .. '\n', code)
    end,
  },
  {
    name = 'the popup names a session that is not the current one',
    files = { ['list.txt'] = code },
    open = 'list.txt',
    steps = say.script(
      say.turn('wait for me', { { say.bash('true') }, { { text = 'Heard.' } } }),
      say.turn('another one', { { { text = 'Begun.' } } })
    ),
    run = function(me)
      me:type(':Pillion wait for me<CR>')
      me:expect_popup('Pillion: Run true')
      me:type('q')
      me:expect_no_popup('it is put off')
      me:type(':PillionNew another one<CR>')
      check.wait('another session answers', function()
        return me:chat('another one'):find('· Done', 1, true)
      end)
      me:type(':PillionApprovals<CR>')
      me:expect_popup('Pillion in "wait for me": Run true')
      me:type('a')
      check.eventually('and its turn goes on', function()
        return me:chat('wait for me'):find('Heard.', 1, true)
      end)
    end,
  },
  {
    name = 'a reason that is being typed when the server is killed',
    files = { ['list.txt'] = code },
    open = 'list.txt',
    steps = say.turn('run it', { { say.bash('touch ran') }, { { text = 'Heard.' } } }),
    run = function(me, fake)
      me:type(':Pillion run it<CR>')
      me:expect_popup('touch ran')
      me:type('r')
      check.wait('the reason is asked for', function()
        return me:mode() == 'c'
      end)
      me:type('not to')
      vim.uv.kill(me:servers()[1], 'sigkill')
      check.wait('the server is back, and asks again', function()
        return me:chat():find('the session goes on', 1, true) and me:popup() ~= ''
      end)
      me:type('day<CR>')
      done(me)
      check.check('the model was sent the reason', fake:was_sent('not today'))
    end,
  },
}
