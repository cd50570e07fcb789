-- The model's questions, and what it asks of the editor.
local check = require('check')
local say = require('say')

---@param me test.Person
local function done(me)
  check.wait('the turn ends', function()
    return me:chat():find('· Done', 1, true)
  end)
end

local choices = { { label = 'red' }, { label = 'green', description = 'as grass' } }

---@param prompt string
---@param input table
local function question(prompt, input)
  return say.turn(prompt, { { { tool = 'ask', input = input } }, { { text = 'Heard.' } } })
end

-- A picker of the kind that people have in place of the built-in one. It keeps what it was given until it is told.
local picker = [[
  _G.picked = nil
  vim.ui.select = function(items, options, choose)
    _G.picked = { items = items, options = options, choose = choose }
  end]]

---@param me test.Person
---@return string[]|false
local function offered(me)
  return me:lua([[return picked and vim.tbl_map(picked.options.format_item, picked.items) or false]])
end

---@param me test.Person
---@param number integer? none closes it
local function pick(me, number)
  me:lua([[local number = ...; local was = picked; picked = nil; was.choose(was.items[number], number)]], number)
end

---@type test.Case[]
return {
  {
    name = 'a question with choices',
    files = { ['notes.txt'] = 'x\n' },
    open = 'notes.txt',
    steps = question('pick one', { question = 'Which colour?', choices = choices }),
    run = function(me, fake)
      me:lua(picker)
      me:type(':Pillion pick one<CR>')
      check.wait('the choices are offered', function()
        return offered(me)
      end)
      local expected = { 'red', 'green: as grass', 'Answer in words ...', 'Let the model decide' }
      check.equal('in order', table.concat(offered(me) or {}, '|'), table.concat(expected, '|'))
      me:expect_status('it waits', 'pillion: 1 waits for you')
      pick(me)
      check.eventually('closing it puts it off', function()
        return me:messages():find(':PillionApprovals brings the question back', 1, true)
      end)
      me:type(':PillionApprovals<CR>')
      check.wait('it comes back', function()
        return offered(me)
      end)
      pick(me, 2)
      done(me)
      check.check('the model was sent the answer', fake:was_sent('The person chose: green'))
      check.check('the chat has the question', me:chat():find('? Which colour?', 1, true), me:chat())
    end,
  },
  {
    name = 'a question that is answered in words',
    files = { ['notes.txt'] = 'x\n' },
    open = 'notes.txt',
    steps = question('say why', { question = 'Why?' }),
    run = function(me, fake)
      me:type(':Pillion say why<CR>')
      check.wait('words are asked for', function()
        return me:mode() == 'c'
      end)
      me:type('because it rains<CR>')
      done(me)
      check.check('the model was sent the words', fake:was_sent('The person answered: because it rains'))
    end,
  },
  {
    name = 'a question that a cancelled turn withdraws',
    files = { ['notes.txt'] = 'x\n' },
    open = 'notes.txt',
    steps = question('never mind', { question = 'Which colour?', choices = choices }),
    run = function(me)
      me:lua(picker)
      me:type(':Pillion never mind<CR>')
      check.wait('the choices are offered', function()
        return offered(me)
      end)
      me:type(':PillionCancel<CR>')
      check.eventually('the turn stops', function()
        return me:chat():find('· Stopped', 1, true)
      end)
      check.becomes('nothing waits', function()
        return me:lua([[return #require('pillion.question').queue.all]])
      end, 0)
      pick(me, 1)
      check.eventually('an answer that comes too late does no harm', function()
        return me:messages():find('no longer waits', 1, true)
      end)
    end,
  },
  {
    name = 'diagnostics of the text as it is',
    files = { ['notes.txt'] = 'x\n' },
    open = 'notes.txt',
    steps = say.turn(
      'look at it',
      { { { tool = 'diagnostics', input = { paths = { 'notes.txt' } } } }, { { text = 'Seen.' } } }
    ),
    run = function(me, fake)
      me:lua([[
        local namespace = vim.api.nvim_create_namespace('checker')
        local function report(message)
          vim.diagnostic.set(namespace, 0, {
            { lnum = 0, col = 2, message = message, severity = 2, source = 'checker', code = 7 },
          })
        end
        require('pillion.diagnostics').watch()
        report('old news')
        vim.api.nvim_buf_set_lines(0, 0, 1, true, { 'é y' })
        -- The checker has not looked at the change yet; it does a moment after it was asked.
        local read = require('pillion.diagnostics').read
        local buf = vim.api.nvim_get_current_buf()
        require('pillion.diagnostics').read = function(...)
          local answer = read(...)
          vim.schedule(function()
            vim.api.nvim_buf_call(buf, function()
              report('fresh news')
            end)
          end)
          return answer
        end]])
      me:type(':Pillion look at it<CR>')
      done(me)
      -- Columns are counted as the editor and the server agreed: Neovim 0.10 speaks UTF-16.
      local column = vim.fn.has('nvim-0.11') == 1 and 3 or 2
      local fresh = ('1:%d warning[7] (checker): fresh news'):format(column)
      check.check('the model was sent the fresh ones', fake:was_sent(fresh), table.concat(fake:requests(), '\n'))
      check.check('and not the old ones', not fake:was_sent('old news'))
    end,
  },
  {
    name = 'what the person has before them',
    files = { ['focus.txt'] = 'one\ntwo é three\nfour\n' },
    open = 'focus.txt',
    steps = say.turn('what is this', { { { tool = 'editor', input = vim.empty_dict() } }, { { text = 'Looked.' } } }),
    run = function(me, fake)
      me:lua([[
        vim.cmd('badd beside.txt')
        vim.fn.bufload('beside.txt')
        vim.cmd('belowright new')
        vim.api.nvim_buf_set_lines(0, 0, -1, true, { 'nameless' })
        vim.cmd('wincmd p')]])
      me:type('jwv<Esc>')
      me:type(':Pillion what is this<CR>')
      done(me)
      -- Columns are counted as the editor and the server agreed: Neovim 0.10 speaks UTF-16.
      local behind = vim.fn.has('nvim-0.11') == 1 and 7 or 6
      local sent = fake:requests()[#fake:requests()]
      check.check('the cursor', fake:was_sent('Active: focus.txt, the cursor at 2:5'), sent)
      check.check('the selection', fake:was_sent(('Selected, from 2:5 to 2:%d:\\n\\u00e9'):format(behind)), sent)
      check.check('what is visible', fake:was_sent('focus.txt (lines 1 to 3), untitled:'), sent)
      check.check('what is open', fake:was_sent('Open: focus.txt, beside.txt, untitled:'), sent)
      local prompt = [[
        local context, client = require('pillion.context'), vim.lsp.get_clients({ name = 'pillion' })[1]
        return context.read(client).active]]
      me:type('ggVj')
      local selection = me:lua(prompt).selection
      check.equal('lines that are being selected', selection.text, 'one\ntwo é three')
      check.equal('from their beginning', selection.startColumn, 0)
      me:type('<Esc>:Pillion<CR>')
      check.wait('a prompt waits for words', function()
        return me:lua([[return vim.bo.filetype == 'pillionprompt']])
      end)
      local active = me:lua(prompt)
      check.check('the prompt is not it', vim.endswith(active.uri, 'focus.txt'), active.uri)
      check.equal('what was selected before', active.selection.text, 'one\ntwo é three')
    end,
  },
}
