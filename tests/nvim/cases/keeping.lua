-- What was typed is kept, whatever happens meanwhile.
local check = require('check')
local say = require('say')

-- Waits for the end of a turn, unless Neovim asks something: nothing else goes on then.
---@param me test.Person
---@param what string
---@param count integer
local function ends_without_asking(me, what, count)
  local asked = check.wait('the turn ends, or something is asked', function()
    if me:mode() == 'r?' then
      return 'asked'
    end
    return select(2, me:chat():gsub('· Done', '')) >= count and 'not asked'
  end)
  if asked == 'asked' then
    me:press('<Esc>')
  end
  check.equal(what, asked, 'not asked')
end

---@param me test.Person
---@param count integer?
local function done(me, count)
  check.wait('the turn ends', function()
    return select(2, me:chat():gsub('· Done', '')) >= (count or 1)
  end)
end

---@type test.Case[]
return {
  {
    name = 'a command changes the very file that is typed in',
    files = { ['notes.txt'] = 'mine\n' },
    open = 'notes.txt',
    steps = say.script(
      say.turn('run it', {
        { say.bash('touch runs; until [ -e go ]; do sleep 0.05; done; echo theirs > notes.txt') },
        { { text = 'It ran.' } },
      }),
      say.turn('once more', { { say.bash('cat notes.txt') }, { { text = 'It ran again.' } } })
    ),
    run = function(me, fake, place)
      me:type(':Pillion run it<CR>')
      me:expect_popup()
      me:type('a')
      check.wait('it runs', function()
        return vim.fn.filereadable(place.project .. '/runs') == 1
      end)
      check.wait('the cursor is back', function()
        return me:lua('return vim.fn.expand("%:t")') == 'notes.txt'
      end)
      me:type('Gotyped meanwhile')
      vim.fn.writefile({}, place.project .. '/go')
      ends_without_asking(me, 'no dialog takes the next key', 1)
      me:type('l, and on<Esc>')
      check.eventually('what is typed goes on', function()
        return me:buffer('notes.txt') == 'mine\ntyped meanwhilel, and on'
      end)
      local told = 'notes.txt has changed on disk too: '
      check.eventually('the person is told', function()
        return me:messages():find(told, 1, true)
      end)
      me:type(':Pillion once more<CR>')
      me:expect_popup()
      me:type('a')
      ends_without_asking(me, 'saving before a command does not ask either', 2)
      check.equal('the disk has what the command wrote', say.on_disk(place.project .. '/notes.txt'), 'theirs\n')
      check.check('the model is told', fake:was_sent('the command saw these files without the unsaved changes'))
      check.equal('the first message came once', select(2, me:messages():gsub(vim.pesc(told), '')), 1)
      me:type(':write!<CR>')
      check.eventually('the person chooses', function()
        return say.on_disk(place.project .. '/notes.txt') == 'mine\ntyped meanwhilel, and on\n'
      end)
    end,
  },
  {
    name = 'a buffer without a name after a crash',
    files = { ['notes.txt'] = 'x\n' },
    open = 'notes.txt',
    steps = say.turn('hello', { { { text = 'Here.' } } }),
    run = function(me, fake)
      me:type(':enew<CR>') -- typos:ignore
      me:type('ifirst<Esc>')
      me:type(':Pillion hello<CR>')
      done(me)
      vim.uv.kill(me:servers()[1], 'sigkill')
      check.wait('the server is back', function()
        return me:chat():find('the session goes on', 1, true)
      end)
      me:type('osecond<Esc>')
      local uri = me:lua([[return require('pillion.untitled').uri(vim.api.nvim_get_current_buf())]])
      fake:replace(say.turn('look', { { say.read(uri) }, { { text = 'Seen.' } } }))
      me:type(':Pillion look<CR>')
      done(me, 2)
      local sent = fake:was_sent('1\\tfirst\\n     2\\tsecond\\n[')
      check.check('is seen as it is, and nothing twice', sent, me:chat())
    end,
  },
  {
    name = 'a prompt that cannot be sent',
    files = { ['notes.txt'] = 'x\n' },
    open = 'notes.txt',
    steps = say.turn('a long prompt', { { { text = 'Heard.' } } }),
    run = function(me, fake)
      local function expect_back(what, text)
        check.eventually(what, function()
          return me:buffer('pillion://prompt') == text
        end)
      end
      me:lua([[
        -- What is said has room, so that no key is asked for.
        vim.o.cmdheight = 5
        _G.model, vim.env.PILLION_MODEL = vim.env.PILLION_MODEL, nil
        require('pillion').setup({ cmd = { 'false' } })]])
      me:type(':Pillion<CR>')
      check.wait('a prompt waits for words', function()
        return me:mode() == 'i'
      end)
      me:type('a long prompt<CR>of two lines')
      me:type('<C-s>')
      check.wait('the server does not start', function()
        return me:messages():find('the server ended while it started', 1, true)
      end)
      expect_back('without a server the prompt has the words again', 'a long prompt\nof two lines')
      me:lua([[require('pillion').setup({ cmd = { vim.env.PILLION_BINARY, 'lsp' } })]])
      me:type(':Pillion<CR>')
      me:type('<C-s>')
      check.eventually('without a model it is not taken', function()
        return me:messages():find('model', 1, true)
      end)
      expect_back('and comes back', 'a long prompt\nof two lines')
      check.check('nothing was sent', not fake:was_sent('a long prompt'))
      me:type(':Pillion<CR>')
      me:type('<Esc>ggdG')
      check.wait('the prompt is emptied', function()
        return me:buffer('pillion://prompt') == ''
      end)
      me:type('i<Up>')
      expect_back('it was asked before, too', 'a long prompt\nof two lines')
      me:lua([[vim.env.PILLION_MODEL = model]])
      vim.uv.kill(me:servers()[1], 'sigkill')
      check.wait('the server is gone', function()
        return #me:servers() == 0 and #me:lua([[return vim.lsp.get_clients({ name = 'pillion' })]]) == 0
      end)
      me:type('<C-s>')
      done(me)
      check.equal('what was taken is gone from the prompt', me:buffer('pillion://prompt'), '')
      -- A server that hears it and dies before it has answered.
      local server = me:servers()[1]
      vim.uv.kill(server, 'sigstop')
      me:type(':Pillion<CR>')
      me:type('in vain')
      me:type('<C-s>')
      me:type(':Pillion<CR>')
      me:type('begun since')
      vim.uv.kill(server, 'sigkill')
      expect_back('what was not answered comes back, above what was begun since', 'in vain\nbegun since')
    end,
  },
  {
    name = 'two prompts before there is a session',
    files = { ['notes.txt'] = 'x\n' },
    open = 'notes.txt',
    steps = say.script(
      say.turn('second', { { { text = 'Both.' } } }),
      say.turn('first', { { { text = 'One.' }, { gate = 'rest' } } })
    ),
    run = function(me)
      me:lua([[
        require('pillion').ask('first')
        require('pillion').ask('second')]])
      check.eventually('are said in one', function()
        return me:chat():find('first', 1, true) and me:chat():find('second', 1, true)
      end)
      check.equal('session', me:lua([[return vim.tbl_count(require('pillion.session').all())]]), 1)
    end,
  },
}
