-- A scripted model of our own, as a process; see tests/model_server.py.
local check = require('check')

local M = {}

local server_script = vim.fs.normalize(vim.env.SUITE .. '/../model_server.py')

---@class test.Model
---@field url string
---@field private folder string
---@field private process vim.SystemObj
local Model = {}
Model.__index = Model

---@param folder string an empty folder
---@param steps table[]
---@return test.Model
function M.start(folder, steps)
  vim.fn.mkdir(folder .. '/gates', 'p')
  vim.fn.writefile({ vim.json.encode({ steps = steps }) }, folder .. '/scenario.json')
  local port
  local cmd = { 'python3', server_script, folder .. '/scenario.json' }
  vim.list_extend(cmd, { '--gates', folder .. '/gates', '--log', folder .. '/requests' })
  local process = vim.system(cmd, {
    text = true,
    stdout = function(_, data)
      port = port or (data and data:match('%d+'))
    end,
  })
  check.wait('the model server starts', function()
    return port
  end)
  return setmetatable({ folder = folder, process = process, url = 'http://127.0.0.1:' .. port }, Model)
end

---@param gate string
function Model:release(gate)
  vim.fn.writefile({}, self.folder .. '/gates/' .. gate)
end

-- Has the model follow other steps from now on.
---@param steps table[]
function Model:replace(steps)
  local body = vim.json.encode({ steps = steps })
  local ran = vim
    .system({
      'python3',
      '-c',
      'import sys, urllib.request as r; r.urlopen(sys.argv[1], sys.argv[2].encode())',
      self.url .. '/__scenario',
      body,
    })
    :wait()
  assert(ran.code == 0, ran.stderr)
end

-- What the model was sent so far, one string of JSON a request.
---@return string[]
function Model:requests()
  local path = self.folder .. '/requests'
  return vim.fn.filereadable(path) == 1 and vim.fn.readfile(path) or {}
end

---@param text string plain text, as it stands in JSON
---@return boolean
function Model:was_sent(text)
  return table.concat(self:requests(), '\n'):find(text, 1, true) ~= nil
end

function Model:stop()
  self.process:kill('sigkill')
  self.process:wait()
end

return M
