-- The ways to install it: nothing is loaded before it is used, and no set-up is needed.
local check = require('check')
local say = require('say')

---@param me test.Person
---@return string[]
local function loaded(me)
  return me:lua([[return vim.tbl_filter(function(name)
    return vim.startswith(name, 'pillion')
  end, vim.tbl_keys(package.loaded))]])
end

---@param me test.Person
local function works(me)
  me:type(':Pillion hello<CR>')
  check.eventually('the binary is found on $PATH and answers', function()
    return me:chat():find('Here I am.', 1, true) and me:chat():find('· Done', 1, true)
  end)
end

-- A copy of the plugin, since |:helptags| writes into it.
---@param target string
local function copy(target)
  vim.fn.mkdir(vim.fs.dirname(target), 'p')
  assert(vim.system({ 'cp', '-R', vim.env.PLUGIN, target }):wait().code == 0)
end

local steps = say.turn('hello', { { { text = 'Here I am.' } } })

---@type test.Case[]
return {
  {
    name = 'on the runtime path',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    init = 'vim.opt.runtimepath:append(vim.env.PLUGIN)',
    steps = steps,
    run = function(me)
      check.equal('nothing is loaded at the start', loaded(me), {})
      check.equal('the commands are there', me:lua([[return vim.fn.exists(':PillionSessions')]]), 2)
      works(me)
    end,
  },
  {
    name = 'as a package that is added when it is needed',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    init = [[
      local site = vim.fs.dirname(vim.env.CASE_INIT) .. '/site'
      vim.opt.packpath:append(site)
      -- What a lazy-loading plugin manager does: a command of the plugin's name brings the plugin, and runs again.
      vim.api.nvim_create_user_command('Pillion', function(args)
        vim.api.nvim_del_user_command('Pillion')
        vim.cmd.packadd('pillion')
        vim.cmd('Pillion ' .. args.args)
      end, { nargs = '*' })]],
    steps = steps,
    run = function(me, _, place)
      local plugin = place.folder .. '/site/pack/person/opt/pillion'
      copy(plugin)
      works(me)
      me:lua([[vim.cmd.helptags(...)]], plugin .. '/doc')
      me:type(':help pillion-approvals<CR>')
      check.eventually('the help is found', function()
        return me:lua([[return vim.bo.buftype == 'help' and vim.fn.expand('%:t')]]) == 'pillion.txt'
      end)
      check.check('at its place', me:lua('return vim.fn.getline(".")'):find('*pillion-approvals*', 1, true))
    end,
  },
  {
    name = 'by vim.pack, from a repository',
    needs = '0.12',
    files = { ['a.txt'] = 'a\n' },
    open = 'a.txt',
    init = [[
      local folder = vim.fs.dirname(vim.env.CASE_INIT)
      vim.fn.mkdir(folder .. '/repository/editors', 'p')
      vim.fn.system({ 'cp', '-R', vim.env.PLUGIN, folder .. '/repository/editors/nvim' })
      for _, arguments in ipairs({
        { 'init', '--quiet' },
        { 'add', '.' },
        { '-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', 'commit', '--quiet', '--message', 'all' },
      }) do
        vim.fn.system(vim.list_extend({ 'git', '-C', folder .. '/repository' }, arguments))
      end
      -- The lines of the README.
      vim.pack.add({ { src = 'file://' .. folder .. '/repository', name = 'pillion' } }, {
        confirm = false,
        load = function(plugin)
          vim.opt.runtimepath:append(plugin.path .. '/editors/nvim')
        end,
      })]],
    steps = steps,
    run = function(me)
      check.equal('nothing is loaded at the start', loaded(me), {})
      check.check(
        'it comes from where vim.pack keeps it',
        me:lua([[return vim.api.nvim_get_runtime_file('plugin/pillion.lua', true)[1] ]]):find('/site/pack/', 1, true)
      )
      works(me)
    end,
  },
}
