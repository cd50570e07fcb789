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
---@field init string? what is in the person's init.lua, if not as for all
---@field screen integer[]? columns and lines
---@field in_terminal boolean? whether it plays nowhere else
---@field needs string? the oldest Neovim that can do it
---@field run fun(me: test.Person, fake: test.Model, place: test.Place)

-- What a person's init.lua holds: the plugin on the runtime path, and where the binary is.
local usual_init = [[
vim.opt.runtimepath:prepend(vim.env.PLUGIN)
vim.o.statusline = "%f %m %= %{v:lua.require'pillion'.statusline()}"
require('pillion').setup({
  cmd = { vim.env.PILLION_BINARY, 'lsp' },
  -- Whoever tests does not rest for as long as a person.
  approval = { idle_ms = 300 },
})
]]

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
  local init = assert(io.open(folder .. '/init.lua', 'w'))
  init:write(case.init or usual_init)
  init:close()
  local fake, me
  check.run(case.name, function()
    fake = model.start(folder, case.steps)
    local place = {
      folder = folder,
      project = folder .. '/project',
      model = fake,
      wire = wire,
      in_terminal = in_terminal,
      screen = case.screen or { 120, 36 },
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

---@param variable string
---@param all string[]
---@return string[]
local function choice(variable, all)
  local chosen = vim.split(vim.env[variable] or '', ' ', { trimempty = true })
  return #chosen > 0 and chosen or all
end

local files = choice('CASES', {
  'asking',
  'following',
  'prompting',
  'editing',
  'approving',
  'reviewing',
  'answering',
  'stopping',
  'living',
  'keeping',
  'loading',
  'showing',
})
local only = vim.env.ONLY and vim.regex('\\v' .. vim.env.ONLY)
for _, seat in ipairs(choice('SEATS', { 'headless', 'tmux' })) do
  for _, wire in ipairs(choice('WIRES', { 'anthropic', 'openai' })) do
    for _, file in ipairs(files) do
      for _, case in ipairs(require(file)) do
        local can = (not case.needs or vim.fn.has('nvim-' .. case.needs) == 1)
          and (seat == 'tmux' or not case.in_terminal)
        if can and (not only or only:match_str(case.name)) then
          play(case, wire, seat == 'tmux')
        end
      end
    end
  end
end

io.stdout:write(('%d passed, %d failed\n'):format(check.passed, check.failed))
os.exit(check.failed == 0 and 0 or 1)
