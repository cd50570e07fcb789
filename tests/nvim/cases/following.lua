-- Following what a turn does: folds, plan, sub-agents, what runs in the background, what was taken back.
local check = require('check')
local say = require('say')

---@param me test.Person
---@param count integer?
local function done(me, count)
  check.wait('the turn ends', function()
    return select(2, me:chat():gsub('· Done', '')) >= (count or 1)
  end)
end

-- What the chat's window shows of a fold that begins on the line with `part`; nothing if there is none, or it is open.
---@param me test.Person
---@param part string
---@return string? text, integer? count of lines
local function folded(me, part)
  local found = me:lua(
    [[
    local part = ...
    for _, window in ipairs(vim.api.nvim_list_wins()) do
      local buf = vim.api.nvim_win_get_buf(window)
      if vim.bo[buf].filetype == 'pillion' then
        return vim.api.nvim_win_call(window, function()
          for row, line in ipairs(vim.api.nvim_buf_get_lines(buf, 0, -1, true)) do
            if line:find(part, 1, true) and vim.fn.foldclosed(row) == row then
              return { vim.fn.foldtextresult(row), vim.fn.foldclosedend(row) - row + 1 }
            end
          end
          return {}
        end)
      end
    end]],
    part
  )
  return found[1], found[2]
end

-- What Neovim took of the processor so far; the clock would count what others did on a busy machine.
---@param me test.Person
---@return number
local function seconds(me)
  return me:lua([[local used = vim.uv.getrusage().utime; return used.sec + used.usec / 1e6]])
end

---@type test.Case[]
return {
  {
    name = 'what calls did is folded below them, and a sub-agent’s calls below its own',
    files = { ['a.txt'] = 'alpha\nbeta\n', ['b.txt'] = 'gamma\n' },
    open = 'a.txt',
    steps = say.script(
      say.turn('delegate', {
        { say.read('a.txt') },
        { { tool = 'sub_agent', input = { task = 'Look into b for me' } } },
        { { text = 'All looked at.' } },
      }),
      say.turn('Look into b', { { say.read('b.txt'), say.bash('echo from the agent') }, { { text = 'It is gamma.' } } })
    ),
    run = function(me, _, place)
      me:type(':Pillion delegate<CR>')
      me:expect_popup('echo from the agent')
      check.check('the popup says who asks', me:popup():find('sub%-agent'), me:popup())
      me:type('a')
      done(me)
      local chat = me:chat()
      check.check(
        'each call has what it did below it',
        chat:find('✓ [^\n]*a.txt\n```\n     1\talpha\n     2\tbeta\n```\n✓ ', 1) ~= nil,
        chat
      )
      check.check('and a sub-agent its calls', chat:find('\n  ✓ [^\n]*b.txt\n```\n     1\tgamma\n', 1) ~= nil, chat)
      check.eventually('folded away, with the call in sight', function()
        return (folded(me, 'a.txt') or ''):find('✓ [^\n]*a.txt')
      end)
      check.equal('all that the sub-agent did is one fold', folded(me, 'b.txt'), nil)
      me:screen('folded-' .. place.wire)
      me:lua([[
        vim.cmd('wincmd l')
        vim.api.nvim_win_set_cursor(0, { vim.fn.search('Look into b', 'n'), 0 })]])
      me:type('<Tab>')
      check.eventually('a key opens it', function()
        return folded(me, 'b.txt') ~= nil
      end)
      me:type('/b.txt<CR>')
      me:type('<CR>')
      check.eventually('another one shows all of a call', function()
        local whole = me:lua([[return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), '\n')]])
        return whole:find('"path": "b.txt"', 1, true) and whole:find('gamma', 1, true)
      end)
      me:screen('call-' .. place.wire)
    end,
  },
  {
    name = 'a plan is one line that says how far it is',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    steps = say.turn('plan it', {
      {
        {
          tool = 'plan',
          input = { items = { { text = 'Look', status = 'inProgress' }, { text = 'Leap', status = 'pending' } } },
        },
      },
      {
        {
          tool = 'plan',
          input = { items = { { text = 'Look', status = 'completed' }, { text = 'Leap', status = 'inProgress' } } },
        },
        { gate = 'end' },
      },
      { { text = 'Leapt.' } },
    }),
    run = function(me, fake)
      me:type(':Pillion plan it<CR>')
      check.eventually('it tells what is being done', function()
        return me:chat():find('Plan: 0 of 2 done, now: Look', 1, true)
      end)
      fake:release('end')
      done(me)
      local chat = me:chat()
      check.check('the line is the same one', chat:find('Plan: 1 of 2 done, now: Leap', 1, true), chat)
      check.equal('and there is one alone', select(2, chat:gsub('Plan: ', '')), 1)
      check.check('the whole list is below it', chat:find('☑ Look\n◐ Leap', 1, true), chat)
    end,
  },
  {
    name = 'a command goes on in the background',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    steps = say.turn(
      'run it',
      { { say.bash('echo begun; until [ -e stop ]; do sleep 0.05; done; echo over') }, { { text = 'Running.' } } }
    ),
    run = function(me, fake, place)
      me:type(':Pillion run it<CR>')
      me:expect_popup()
      me:type('a')
      check.wait('it runs', function()
        return me:chat():find('— begun', 1, true)
      end)
      me:type(':PillionBackground<CR>')
      done(me)
      check.check('the chat says so', me:chat():find('runs in the background', 1, true), me:chat())
      me:lua([[
        _G.picked = {}
        vim.ui.select = function(items, options, choose)
          table.insert(_G.picked, vim.tbl_map(options.format_item or tostring, items))
          choose(items[1], 1)
        end]])
      me:type(':PillionTasks<CR>')
      check.eventually('it can be looked at', function()
        return me:lua([[return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), '\n')]]):find('begun', 1, true)
      end)
      check.check('and is listed as running', me:lua('return picked[1][1]'):find('%(running%)'))
      me:type('q')
      vim.fn.writefile({}, place.project .. '/stop')
      check.eventually('its end is told', function()
        return me:chat():find('task-1 has ended', 1, true)
      end)
      fake:replace(say.turn('and then', { { { text = 'Heard of it.' } } }))
      me:type(':Pillion and then<CR>')
      done(me, 2)
      check.check('the model hears of it', fake:was_sent('over'))
    end,
  },
  {
    name = 'what was withdrawn goes, also from before a prompt that was added',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    steps = {
      {
        prompt = 'tell',
        times = 1,
        say = {
          { text = 'It was a dark' },
          { gate = 'added' },
          { text = ' and stormy' },
          { gate = 'cut' },
          { cut = true },
        },
      },
      { prompt = 'tell', times = 1, say = { { text = 'It was a bright day.' } } },
      { prompt = 'shortly', say = { { text = 'And that is all.' } } },
    },
    run = function(me, fake)
      me:type(':Pillion tell<CR>')
      check.wait('it is told', function()
        return me:chat():find('It was a dark', 1, true)
      end)
      me:type(':Pillion shortly, please<CR>')
      check.wait('more is said', function()
        return me:chat():find('shortly, please', 1, true)
      end)
      fake:release('added')
      check.wait('it goes on below that', function()
        return me:chat():find('shortly, please.* and stormy')
      end)
      fake:release('cut')
      done(me)
      local chat = me:chat()
      check.check('nothing of the broken answer is left', not chat:find('dark') and not chat:find('stormy'), chat)
      check.check('the new one stands below both prompts', chat:find('shortly, please.*\nIt was a bright day'), chat)
    end,
  },
  {
    name = 'what it costs, and how full the context is',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    steps = say.turn('count', { { { usage = { input = 50000, output = 1000 } }, { text = 'Counted.' } } }),
    run = function(me, _, place)
      local config = assert(io.open(place.folder .. '/config.toml', 'a'))
      config:write(('[models."%s/fake"]\nwindow = 100000\ninput_price = 2\noutput_price = 10\n'):format(place.wire))
      config:close()
      me:type(':Pillion count<CR>')
      done(me)
      check.check(
        'the chat has the tokens and the cost',
        me:chat():find('50.0k in, 1.0k out, $0.11', 1, true),
        me:chat()
      )
      check.eventually('its statusline, too', function()
        local bar = me:lua([[
          for _, window in ipairs(vim.api.nvim_list_wins()) do
            if vim.bo[vim.api.nvim_win_get_buf(window)].filetype == 'pillion' then
              return vim.api.nvim_eval_statusline(vim.wo[window].statusline, { winid = window }).str
            end
          end]])
        return bar:find('count · fake · ask · 51% full · $0.11', 1, true)
      end)
    end,
  },
  {
    name = 'a command that prints long lines',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    steps = say.turn('print', {
      {
        say.bash(
          "for i in $(seq 200); do printf '%08000d\\n' $i; sleep 0.01; done; until [ -e stop ]; do sleep 0.05; done"
        ),
      },
      { { text = 'Printed.' } },
    }),
    run = function(me, _, place)
      local before = seconds(me)
      me:type(':Pillion print<CR>')
      me:expect_popup()
      me:type('a')
      check.eventually('its last line is shown', function()
        return me:chat():find('▸ [^\n]* — 00000')
      end)
      vim.fn.writefile({}, place.project .. '/stop')
      done(me)
      local took = seconds(me) - before
      check.check('leaves the editor free', took < 5, took .. ' s')
    end,
  },
  {
    name = 'a long session stays light',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    steps = say.turn('hello', { { { text = 'Here I am.' } } }),
    run = function(me)
      me:type(':Pillion hello<CR>')
      done(me)
      local before = seconds(me)
      me:lua([[
        local session = require('pillion').current()
        local function hear(event)
          session:on_event(session.last_seq + 1, event)
        end
        local printed = ('a line of what a command has printed\n'):rep(110)
        local function call(id, text)
          hear({ type = 'toolCall', callId = id, tool = 'bash', title = 'Run ' .. id, input = { command = id } })
          hear({ type = 'toolResult', callId = id, status = 'ok', text = text })
        end
        for index = 1, 200 do
          call('call ' .. index, printed)
        end
        call('blanks', (' '):rep(1000 * 1000))
        call('large', printed:rep(1200))
        for _ = 1, 50 do
          hear({ type = 'messageDelta', text = 'All of it was printed. ' })
          session.chat:flush()
          vim.cmd.redraw()
        end
        vim.cmd('wincmd l')
        vim.fn.search('Run large')]])
      me:type('<CR>')
      check.eventually('all of a large call can be looked at', function()
        return me:lua('return vim.api.nvim_buf_line_count(0)') > 110 * 1200
      end)
      local took = seconds(me) - before
      check.check('and nothing of it takes long', took < 5, took .. ' s')
    end,
  },
}
