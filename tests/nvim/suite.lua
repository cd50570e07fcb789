-- The suite: every case for both wires, in a Neovim without a terminal and, as a person sees it, in tmux.
-- Run by run.sh, which says where things are.
local here = vim.fs.dirname(vim.fs.normalize(vim.fn.fnamemodify(arg[0], ':p')))
vim.env.SUITE = here
vim.env.PLUGIN = vim.fs.normalize(here .. '/../../editors/nvim')
package.path = ('%s/lib/?.lua;%s/cases/?.lua;%s'):format(here, here, package.path)

local check = require('check')
local model = require('model')
local person = require('person')

---@class test.Case
---@field name string
---@field files table<string, string> what is in the project
---@field steps table[] what the model says; see tests/model_server.py
---@field open string the file the person has open
---@field run fun(me: test.Person, fake: test.Model, place: test.Place)

---@param name string
---@param files table<string, string>
---@return string
local function project(name, files)
  local folder = vim.fs.normalize(vim.fn.tempname()) .. '/' .. name
  for path, text in pairs(files) do
    local file = folder .. '/project/' .. path
    vim.fn.mkdir(vim.fs.dirname(file), 'p')
    local handle = assert(io.open(file, 'w'))
    handle:write(text)
    handle:close()
  end
  return folder
end

---@param case test.Case
---@param wire 'anthropic'|'openai'
---@param in_terminal boolean
local function play(case, wire, in_terminal)
  local seat = in_terminal and 'tmux' or 'headless'
  check.prefix(('nvim %d.%d %s %s'):format(vim.version().major, vim.version().minor, seat, wire))
  local folder = project(case.name:gsub('%W+', '-'), case.files)
  local fake, me
  check.run(case.name, function()
    fake = model.start(folder, case.steps)
    local place = {
      folder = folder,
      project = folder .. '/project',
      model = fake,
      wire = wire,
      in_terminal = in_terminal,
    }
    me = person.sit_down(place, case.open)
    case.run(me, fake, place)
  end, function()
    return me and me:explain() or ''
  end)
  if me then
    me:leave()
  end
  if fake then
    fake:stop()
  end
end

local only = vim.env.ONLY and vim.regex('\\v' .. vim.env.ONLY)
for _, in_terminal in ipairs({ false, true }) do
  for _, wire in ipairs({ 'anthropic', 'openai' }) do
    for _, file in ipairs({ 'asking', 'editing', 'approving', 'answering', 'stopping', 'living' }) do
      for _, case in ipairs(require(file)) do
        if not only or only:match_str(case.name) then
          play(case, wire, in_terminal)
        end
      end
    end
  end
end

io.stdout:write(('%d passed, %d failed\n'):format(check.passed, check.failed))
os.exit(check.failed == 0 and 0 or 1)
