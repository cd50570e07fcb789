-- The server's life, and what goes wrong.
local check = require('check')
local say = require('say')

---@type test.Case[]
return {
  {
    name = 'the server is killed, comes back and goes on',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    steps = say.script(
      say.turn('remember seven', { { { text = 'Seven it is.' } } }),
      say.turn('a long story', { { { text = 'Once upon a time ' }, { gate = 'never' } } }),
      say.turn('which number', { { { text = 'It was seven.' } } })
    ),
    run = function(me, fake)
      me:type(':Pillion remember seven<CR>')
      check.wait('the first turn ends', function()
        return me:chat():find('· Done', 1, true)
      end)
      me:type(':Pillion a long story<CR>')
      check.wait('the second runs', function()
        return me:chat():find('Once upon a time', 1, true)
      end)
      local servers = check.eventually('one server runs', function()
        local now = me:servers()
        return #now == 1 and now
      end)
      vim.uv.kill(servers[1], 'sigkill')
      check.eventually('the chat says that it ended and is back', function()
        return me:chat():find('The server ended (signal 9)', 1, true)
          and me:chat():find('The server is back, the session goes on', 1, true)
      end)
      check.eventually('another one runs', function()
        local now = me:servers()
        return #now == 1 and now[1] ~= servers[1]
      end)
      check.eventually('the turn that was cut is over', function()
        return me:chat():find('Interrupted', 1, true)
      end)
      me:type('Goafter the crash<Esc>')
      me:type(':Pillion which number<CR>')
      check.eventually('the session answers', function()
        return me:chat():find('It was seven.', 1, true)
      end)
      local requests = fake:requests()
      check.check('the model was sent all that was said before', requests[#requests]:find('Seven it is.', 1, true))
      check.equal('nothing is shown twice', select(2, me:chat():gsub('Seven it is', '')), 1)
    end,
  },
  {
    name = 'the server is killed while an approval is open',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    steps = say.script(
      say.turn('run it', { { say.bash('touch ran') }, { { text = 'It was denied.' } } }),
      say.turn('still there', { { { text = 'Here.' } } })
    ),
    run = function(me, _, place)
      me:type(':Pillion run it<CR>')
      check.wait('the popup', function()
        return me:popup() ~= ''
      end)
      vim.uv.kill(me:servers()[1], 'sigkill')
      check.eventually('the session is back, and it is asked again', function()
        return me:chat():find('the session goes on', 1, true) and me:popup() ~= ''
      end)
      check.check('the command did not run', vim.fn.filereadable(place.project .. '/ran') == 0)
      me:expect_popup('touch ran')
      me:type('d')
      check.eventually('the answer is taken, and the turn goes on', function()
        return me:popup() == '' and me:chat():find('It was denied.', 1, true)
      end)
      me:type(':Pillion still there<CR>')
      check.eventually('the session answers', function()
        return me:chat():find('Here.', 1, true)
      end)
      check.check('the command did not run', vim.fn.filereadable(place.project .. '/ran') == 0)
    end,
  },
  {
    name = 'a stored session is opened again',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    steps = say.turn('hello there', { { { thinking = 'A greeting.' }, { text = 'General greeting.' } } }),
    run = function(me, _, place)
      me:type(':Pillion hello there<CR>')
      check.wait('the turn ends', function()
        return me:chat():find('· Done', 1, true)
      end)
      local chat = me:chat()
      me:type(':bwipeout Pillion\\ chat<CR>')
      check.wait('the chat is gone', function()
        return me:chat() == ''
      end)
      -- While it is open nothing can be asked of Neovim, and on the command line the mode is another one, too.
      local opened = place.folder .. '/opened'
      me:lua(
        [[
        local path, select = ..., vim.ui.select
        vim.ui.select = function(...)
          vim.fn.writefile({}, path)
          return select(...)
        end]],
        opened
      )
      me:type(':PillionSessions')
      me:press('<CR>')
      check.eventually('the list has it', function()
        return vim.fn.filereadable(opened) == 1 and me:mode() ~= 'n'
      end)
      me:screen('sessions')
      me:press('1<CR>')
      check.eventually('all that was said is there again', function()
        return me:chat() == chat
      end)
    end,
  },
  {
    name = 'a session is renamed, branched off and deleted',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    steps = say.turn('hello there', { { { text = 'General greeting.' } } }),
    run = function(me)
      me:type(':Pillion hello there<CR>')
      check.wait('the turn ends', function()
        return me:chat():find('· Done', 1, true)
      end)
      local knows = me:lua([[
        local client = require('pillion.client').get(vim.fn.getcwd()).client
        return vim.list_contains(client.server_capabilities.experimental.pillion.methods, 'session/fork')]])
      if not knows then
        return check.skip('fork, rename and delete', 'this binary does not know session/fork')
      end
      me:lua([[
        vim.ui.select = function(items, options, choose)
          _G.offered = vim.tbl_map(options.format_item or tostring, items)
          choose(items[options.kind == 'pillion.confirm' and 2 or #items])
        end
        vim.ui.input = function(_, use)
          use('Greetings')
        end]])
      me:type(':PillionSessions rename<CR>')
      check.eventually('it has another title', function()
        return me:lua([[return require('pillion').current().title]]) == 'Greetings'
      end)
      me:type(':PillionSessions fork<CR>')
      check.eventually('the branch has the same past', function()
        return me:lua([[
          local count = 0
          for _, buf in ipairs(vim.api.nvim_list_bufs()) do
            local text = table.concat(vim.api.nvim_buf_get_lines(buf, 0, -1, true), ' ')
            if vim.bo[buf].filetype == 'pillion' and text:find('General greeting.', 1, true) then
              count = count + 1
            end
          end
          return count]]) == 2
      end)
      me:type(':PillionSessions delete<CR>')
      check.eventually('one is deleted', function()
        return me:messages():find('deleted: ', 1, true)
      end)
      me:lua([[
        vim.ui.select = function(items)
          _G.left = #items
        end]])
      me:type(':PillionSessions<CR>')
      check.eventually('and one is left', function()
        return me:lua('return left') == 1
      end)
    end,
  },
  {
    name = 'a busy provider is tried again',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    steps = {
      { prompt = 'try', times = 1, say = { { error = 429, retry_after = 0, message = 'slow down' } } },
      { prompt = 'try', times = 1, say = { { error = 529, message = 'overloaded' } } },
      { prompt = 'try', say = { { text = 'At last.' } } },
    },
    run = function(me)
      me:type(':Pillion try<CR>')
      check.eventually('the answer comes', function()
        return me:chat():find('At last.', 1, true) and me:chat():find('· Done', 1, true)
      end)
      check.check('the chat tells of the tries', me:chat():find('↻ [^\n]*trying again'), me:chat())
    end,
  },
  {
    name = 'an answer that breaks off is taken back',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    steps = {
      { prompt = 'first', say = { { text = 'This stands.' } } },
      { prompt = 'tell', times = 1, say = { { thinking = 'Hmm.' }, { text = 'It was a dark\nand' }, { cut = true } } },
      { prompt = 'tell', say = { { text = 'It was a bright day.' } } },
    },
    run = function(me)
      me:type(':Pillion first<CR>')
      check.eventually('the first answer comes', function()
        return me:chat():find('This stands.', 1, true) and me:chat():find('· Done', 1, true)
      end)
      me:type(':Pillion tell<CR>')
      check.eventually('the whole answer comes', function()
        return me:chat():find('It was a bright day.', 1, true) and select(2, me:chat():gsub('· Done', '')) == 2
      end)
      local chat = me:chat()
      check.check(
        'what the broken one said is gone',
        not chat:find('dark', 1, true) and not chat:find('Hmm', 1, true),
        chat
      )
      check.check('what stood before stands', chat:find('This stands.', 1, true), chat)
      check.check('the chat tells of the try', chat:find('↻ [^\n]*trying again'), chat)
      check.equal('each answer has its heading', select(2, chat:gsub('## Pillion', '')), 2)
    end,
  },
  {
    name = 'a failure reaches the person',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    steps = {
      -- First, since a prompt after a failed one may come in one message with it.
      { prompt = 'broken', say = { { text = 'It begins ' }, { cut = true } } },
      { prompt = 'no key', say = { { error = 401, message = 'invalid x-api-key' } } },
    },
    run = function(me)
      me:type(':Pillion no key<CR>')
      check.eventually('the chat says what failed', function()
        return me:chat():find('✗ Failed: ', 1, true)
      end)
      check.eventually('so does a message', function()
        return me:messages():find('pillion: ', 1, true)
      end)
      check.equal('no key is asked for', me:mode(), 'n')
      me:type(':Pillion broken<CR>')
      check.eventually('a stream that breaks is told too', function()
        return select(2, me:chat():gsub('✗ Failed: ', '')) == 2
      end)
      check.check('what came before is kept', me:chat():find('It begins', 1, true))
    end,
  },
  {
    name = 'checkhealth',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    steps = {},
    run = function(me, _, place)
      me:type(':checkhealth pillion<CR>')
      local report = check.wait('the report', function()
        local text = me:lua('return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), "\\n")')
        return text:find('new sessions', 1, true) and text
      end)
      check.check('nothing is wrong', not report:find('ERROR', 1, true), report)
      check.check('it names the model', report:find(place.wire .. '/fake', 1, true), report)
      me:screen('checkhealth')
    end,
  },
}
