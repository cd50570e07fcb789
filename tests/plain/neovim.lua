-- A person at Neovim without the plugin; run by test_neovim.py as
--   nvim --headless -u NONE -n -l neovim.lua PILLION FILE TEXT ANSWER
-- Types TEXT at the start of FILE, runs the code action on the line after it, answers the approval, undoes. Prints what
-- was seen as one line of JSON.
local pillion, file, typed, answer = unpack(_G.arg)
local seen = { popups = {} }

local function text()
  return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), '\n') .. '\n'
end

local function wait(what, condition)
  if not vim.wait(60000, condition, 20) then
    io.stdout:write(('never: %s; %s'):format(what, vim.inspect({ seen, text() })))
    os.exit(1)
  end
end

---@diagnostic disable-next-line: duplicate-set-field
vim.ui.select = function(items, options, choose)
  local function title(item)
    return options.format_item and options.format_item(item) or item.title or item
  end
  if title(items[1]):find('Pillion: add one', 1, true) then
    return choose(items[1], 1)
  end
  table.insert(seen.popups, options.prompt)
  for index, item in ipairs(items) do
    if title(item) == answer then
      return choose(item, index)
    end
  end
  choose(nil, nil)
end
-- Where Neovim asks with a numbered list instead.
---@diagnostic disable-next-line: duplicate-set-field
vim.fn.inputlist = function(lines)
  table.insert(seen.popups, lines[1])
  for index, line in ipairs(lines) do
    if line:match('^%d+%. (.*)$') == answer then
      return index - 1
    end
  end
  return 0
end

vim.cmd('filetype on')
-- The lines from editors/README.md.
vim.lsp.config('pillion', { cmd = { pillion, 'lsp' }, root_markers = { '.git' } })
vim.lsp.enable('pillion')
vim.cmd.edit(vim.fn.fnameescape(file))
wait('attached', function()
  local client = vim.lsp.get_clients({ bufnr = 0 })[1]
  return client and client.initialized
end)
vim.api.nvim_buf_set_lines(0, 0, 0, true, vim.split(vim.trim(typed), '\n'))
-- A person's typing is a step of its own; a script's is one with what follows, unless this ends it.
vim.bo.undolevels = vim.bo.undolevels
seen.before = text()
vim.api.nvim_win_set_cursor(0, { 2, 0 })
local answered = false
local show = vim.lsp.handlers['window/showMessage']
vim.lsp.handlers['window/showMessage'] = function(error, result, ...)
  answered = answered or result.message == 'Done.'
  return show(error, result, ...)
end
vim.lsp.buf.code_action({ apply = true })
wait('asked', function()
  return #seen.popups > 0
end)
wait('the end', function()
  return answered
end)
seen.after = text()
seen.modified = vim.bo.modified
if answer == 'Allow' then
  vim.cmd.undo()
  seen.undone = text()
end
io.stdout:write('SEEN ' .. vim.json.encode(seen) .. '\n')
vim.cmd('qall!')
