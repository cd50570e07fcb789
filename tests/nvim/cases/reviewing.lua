-- Edits in diff mode before they are made, and what becomes of them afterwards.
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

---@param me test.Person
local function allow_edits(me)
  me:type(':PillionMode acceptEdits<CR>')
  check.eventually('a mode can be chosen before anything is said', function()
    return me:chat():find('mode acceptEdits', 1, true)
  end)
end

---@param me test.Person
---@return string[] texts of the windows in diff mode, from the left
local function sides(me)
  return me:lua([[
    local texts = {}
    for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
      if vim.wo[window].diff then
        local buf = vim.api.nvim_win_get_buf(window)
        texts[#texts + 1] = table.concat(vim.api.nvim_buf_get_lines(buf, 0, -1, true), '\n')
      end
    end
    return texts]])
end

-- The lines with a sign of Pillion's, from 1.
---@param me test.Person
---@return integer[]
local function signs(me)
  return me:lua([[
    local namespace, found = vim.api.nvim_create_namespace('pillion.changes'), {}
    for _, buf in ipairs(vim.api.nvim_list_bufs()) do
      for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(buf, namespace, 0, -1, { details = true })) do
        if mark[4].sign_text then
          found[#found + 1] = mark[2] + 1
        end
      end
    end
    table.sort(found)
    return found]])
end

---@param me test.Person
---@param what string
---@param expected integer[]
local function expect_signs(me, what, expected)
  check.eventually(what, function()
    return vim.deep_equal(signs(me), expected)
  end)
end

---@param me test.Person
---@return string[]
local function listed(me)
  return me:lua([[return vim.tbl_map(function(item)
    return ('%s:%d %s'):format(vim.fn.bufname(item.bufnr), item.lnum, item.text)
  end, vim.fn.getqflist())]])
end

local function edits(prompt, changes)
  return say.turn(prompt, { { say.read('list.txt') }, { say.edit('list.txt', changes) }, { { text = 'Changed.' } } })
end

local two_places = { { 'two', 'TWO' }, { 'thirteen', 'THIRTEEN' } }

---@type test.Case[]
return {
  {
    name = 'an edit that waits, in diff mode, and only one of its hunks',
    files = { ['list.txt'] = code },
    open = 'list.txt',
    steps = edits('two places', two_places),
    run = function(me, _, place)
      me:type(':Pillion two places<CR>')
      me:expect_popup('list.txt')
      me:type('v')
      check.eventually('both texts stand side by side', function()
        local shown = sides(me)
        return #shown == 2
          and shown[1] .. '\n' == code
          and shown[2]:find('\nTWO\n', 1, true)
          and shown[2]:find('\nTHIRTEEN\n', 1, true)
      end)
      me:expect_no_popup('the popup makes room')
      me:screen('review-' .. place.wire)
      me:type('gg')
      me:type('h')
      check.eventually('a hunk that is left is as it was', function()
        return sides(me)[2]:find('\ntwo\n', 1, true)
      end)
      me:screen('review-one-hunk-' .. place.wire)
      me:type('q')
      me:expect_popup('list.txt')
      check.becomes('q goes back to the popup', function()
        return #sides(me)
      end, 0)
      me:type('v')
      check.wait('the review is there again', function()
        return #sides(me) == 2
      end)
      me:type('a')
      done(me)
      check.equal('only the other is made', me:buffer('list.txt') .. '\n', (code:gsub('thirteen', 'THIRTEEN')))
      check.becomes('the review is closed', function()
        return #sides(me)
      end, 0)
      check.becomes('and its tab page', function()
        return me:lua('return #vim.api.nvim_list_tabpages()')
      end, 1)
    end,
  },
  {
    name = 'a new file in diff mode, and a turn that is cancelled meanwhile',
    files = { ['list.txt'] = code },
    open = 'list.txt',
    steps = say.turn('write it', { { { tool = 'write', input = { path = 'new.lua', content = 'return 1\n' } } } }),
    run = function(me, _, place)
      me:type(':Pillion write it<CR>')
      me:expect_popup('new.lua')
      me:type('v')
      check.eventually('nothing stands beside all of it', function()
        return vim.deep_equal(sides(me), { '', 'return 1' })
      end)
      me:type(':PillionCancel<CR>')
      check.eventually('the review closes with its turn', function()
        return #sides(me) == 0 and me:chat():find('· Stopped', 1, true)
      end)
      check.check('nothing was written', vim.fn.filereadable(place.project .. '/new.lua') == 0)
    end,
  },
  {
    name = 'signs until they are seen, a list, and the way from place to place',
    files = { ['list.txt'] = code, ['other.txt'] = 'alpha\nbeta\n' },
    open = 'list.txt',
    steps = say.turn('change both', {
      { say.read('list.txt'), say.read('other.txt') },
      { say.edit('list.txt', two_places), say.edit('other.txt', { { 'beta', 'BETA' } }) },
      { { text = 'Changed.' } },
    }),
    run = function(me, _, place)
      me:type('G')
      allow_edits(me)
      me:type(':Pillion change both<CR>')
      done(me)
      expect_signs(me, 'the changed lines have signs', { 2, 13 })
      me:screen('changed-' .. place.wire)
      me:type('ggOtyped above<Esc>')
      expect_signs(me, 'which move with the text', { 3, 14 })
      me:type('3G')
      me:type('gg')
      expect_signs(me, 'and go when the person was there', { 14 })
      me:type(':PillionChanges<CR>')
      check.eventually('the list has all places', function()
        return vim.deep_equal(listed(me), { 'list.txt:3 TWO', 'list.txt:14 THIRTEEN', 'other.txt:2 BETA' })
      end)
      me:screen('changes-' .. place.wire)
      me:type(':cclose<CR>')
      me:lua([[vim.keymap.set('n', 'gn', '<Plug>(pillion-next-change)')]])
      me:type('gg')
      for _, expected in ipairs({ 'list.txt:3', 'list.txt:14', 'other.txt:2' }) do
        me:type('gn')
        check.eventually('the next place is ' .. expected, function()
          return me:lua([[return vim.fn.expand('%:t') .. ':' .. vim.fn.line('.')]]) == expected
        end)
      end
      me:type(':PillionKeep turn<CR>')
      expect_signs(me, 'what is kept has no signs', {})
    end,
  },
  {
    name = 'taking back a hunk, a file, and what was typed since',
    files = { ['list.txt'] = code },
    open = 'list.txt',
    steps = say.script(
      edits('first', { { 'two', 'TWO' }, { 'seven', 'SEVEN' }, { 'thirteen', 'THIRTEEN' } }),
      edits('second', { { 'ten', 'TEN' } })
    ),
    run = function(me, _, place)
      allow_edits(me)
      me:type(':Pillion first<CR>')
      done(me)
      me:type('13GA, mine')
      me:type('<Esc>')
      me:type('2G')
      me:type(':PillionRevert<CR>')
      check.eventually('the hunk at the cursor is taken back', function()
        return vim.startswith(me:buffer('list.txt'), 'one\ntwo\nthree\n')
      end)
      check.check('the others stand', me:buffer('list.txt'):find('\nSEVEN\n', 1, true))
      me:type('u')
      check.eventually('which is one undo step', function()
        return vim.startswith(me:buffer('list.txt'), 'one\nTWO\nthree\n')
      end)
      me:type(':PillionReview<CR>')
      check.eventually('the file stands beside what it was', function()
        local shown = sides(me)
        return #shown == 2 and shown[1]:find('\nseven\n', 1, true) and shown[2]:find('\nSEVEN\n', 1, true)
      end)
      me:screen('changed-review-' .. place.wire)
      me:type(':tabclose<CR>')
      me:type(':PillionRevert file<CR>')
      check.eventually('all of the file that can be is taken back', function()
        return me:buffer('list.txt') .. '\n' == (code:gsub('thirteen', 'THIRTEEN, mine'))
      end)
      check.eventually('what the person changed stays, and they are told', function()
        return me:messages():find('took back 2 changes; list.txt stays', 1, true)
          and me:chat():find('! list.txt stays as it is: ', 1, true)
      end)
      me:type(':Pillion second<CR>')
      done(me, 2)
      me:type(':PillionRevert turn<CR>')
      check.eventually('a turn is taken back', function()
        return me:buffer('list.txt'):find('\nten\n', 1, true)
      end)
    end,
  },
  {
    name = 'signs of a file that a turn edits again and again',
    files = { ['list.txt'] = 'one\ntwo\nthree\nsame\nfive\nsix\nsame\neight\n' },
    open = 'list.txt',
    steps = say.turn('change it', {
      { say.read('list.txt') },
      { say.edit('list.txt', { { 'same\neight', 'SAME\neight' } }) },
      { { gate = 'second' }, say.edit('list.txt', { { 'same\nfive', 'SAME\nfive' } }) },
      { { gate = 'third' }, say.edit('list.txt', { { 'two', 'TWO' } }) },
      { { gate = 'fourth' }, say.edit('list.txt', { { 'TWO', 'two' } }) },
      { { text = 'Changed.' } },
    }),
    run = function(me, fake)
      allow_edits(me)
      me:type(':Pillion change it<CR>')
      expect_signs(me, 'the first has a sign', { 7 })
      me:type('7G')
      me:type('gg')
      expect_signs(me, 'which is seen', {})
      fake:release('second')
      expect_signs(me, 'the same words elsewhere have one of their own', { 4 })
      fake:release('third')
      expect_signs(me, 'nothing is there twice', { 2, 4 })
      fake:release('fourth')
      expect_signs(me, 'what the turn itself undoes has none', { 4 })
      done(me)
      me:type(':PillionKeep turn<CR>')
      expect_signs(me, 'and all go when they are kept', {})
    end,
  },
  {
    name = 'a review that is open already',
    files = { ['list.txt'] = code },
    open = 'list.txt',
    steps = edits('two places', two_places),
    run = function(me)
      local function tabs()
        return me:lua('return #vim.api.nvim_list_tabpages()')
      end
      local function expect_review(what)
        check.eventually(what, function()
          return #sides(me) == 2 and me:popup() == ''
        end)
        check.equal('in one tab page', tabs(), 2)
      end
      me:type(':Pillion two places<CR>')
      me:expect_popup('list.txt')
      me:type('v')
      expect_review('both texts stand side by side')
      me:type(':PillionApprovals<CR>')
      me:expect_popup('list.txt')
      me:type('v')
      expect_review('a second look goes there')
      me:type(':quit<CR>')
      check.wait('one side is closed', function()
        return #sides(me) < 2
      end)
      me:type(':PillionApprovals<CR>')
      me:expect_popup('list.txt')
      me:type('v')
      expect_review('a side that was closed is there again')
      me:type('a')
      done(me)
      check.equal('nothing of it is left', tabs(), 1)
      for round = 1, 2 do
        me:type(':tabfirst<CR>:PillionReview<CR>')
        check.eventually(('what was changed stands beside it, %d'):format(round), function()
          return #sides(me) == 2 and tabs() == 2
        end)
      end
      -- The cursor is on the right, in the file itself.
      me:type(':quit<CR>')
      check.wait('one side is closed', function()
        return #sides(me) < 2
      end)
      me:type(':tabfirst<CR>:PillionReview<CR>')
      check.eventually('what is left of a review goes', function()
        return #sides(me) == 2 and tabs() == 2
      end)
      check.check('without a word', not me:messages():find('E95', 1, true), me:messages())
    end,
  },
}
