-- Stop means stop.
local check = require('check')
local say = require('say')

---@param pid integer
---@return boolean
local function is_alive(pid)
  return vim.uv.kill(pid, 0) == 0
end

-- Three generations, one of them in a session of its own; each writes its process id.
local family = table.concat({
  'sh -c \'echo $$ >> pids; sh -c "echo \\$\\$ >> pids; sleep 900" & wait\' &',
  "setsid sh -c 'echo $$ >> pids; sleep 900' &",
  'echo $$ >> pids; echo started; wait',
}, '\n')

---@type test.Case[]
return {
  {
    name = 'a command and all its children end with the turn',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    steps = say.turn('run it', { { say.bash(family) }, { { text = 'Never said.' } } }),
    run = function(me, _, place)
      me:type(':Pillion run it<CR>')
      me:expect_popup()
      me:type('a')
      local pids = check.wait('the family runs', function()
        local ok, lines = pcall(vim.fn.readfile, place.project .. '/pids')
        return ok and #lines == 4 and vim.tbl_map(tonumber, lines)
      end)
      check.check('all of it', vim.iter(pids):all(is_alive))
      check.eventually('its output is on the line of the call', function()
        return me:chat():find('▸ [^\n]*started')
      end)
      me:screen('running-' .. place.wire)
      me:type(':PillionCancel<CR>')
      check.eventually('nothing of the family is left', function()
        return not vim.iter(pids):any(is_alive)
      end)
      check.eventually('the chat says so', function()
        return me:chat():find('· Stopped', 1, true) and me:chat():find('⊘', 1, true)
      end)
      me:expect_status('the statusline rests', 'pillion')
    end,
  },
  {
    name = 'cancelling closes the popup',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    steps = say.script(
      say.turn('run it', { { say.bash('touch ran') } }),
      say.turn('go on', { { { text = 'On we go.' } } })
    ),
    run = function(me, _, place)
      me:type(':Pillion run it<CR>')
      check.wait('the popup', function()
        return me:popup() ~= ''
      end)
      me:type(':PillionCancel<CR>')
      check.eventually('it closes', function()
        return me:popup() == '' and me:chat():find('· Stopped', 1, true)
      end)
      check.check('the command did not run', vim.fn.filereadable(place.project .. '/ran') == 0)
      me:type(':Pillion go on<CR>')
      check.eventually('the session goes on', function()
        return me:chat():find('On we go.', 1, true) and me:chat():find('· Done', 1, true)
      end)
    end,
  },
  {
    name = 'cancelling a stream',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    steps = say.turn('talk', { { { text = 'On and on. ' }, { gate = 'never' }, { text = 'Unheard.' } } }),
    run = function(me)
      me:type(':Pillion talk<CR>')
      check.wait('it talks', function()
        return me:chat():find('On and on', 1, true)
      end)
      me:type(':PillionCancel<CR>')
      check.eventually('it stops', function()
        return me:chat():find('· Stopped', 1, true)
      end)
      check.check('and says no more', not me:chat():find('Unheard', 1, true))
    end,
  },
}
