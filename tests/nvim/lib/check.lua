-- Checks, and waiting for conditions. Nothing here sleeps: each wait ends with its condition or fails at its limit.
local M = { passed = 0, failed = 0 }

-- Chosen by hand: far beyond what anything here takes, also on a busy machine.
local LIMIT_MS = 60000
local POLL_MS = 10

local prefix = ''

---@param text string
function M.prefix(text)
  prefix = text
end

---@param text string
local function say(text)
  io.stdout:write(text .. '\n')
  io.stdout:flush()
end

---@param name string
---@param ok any
---@param detail string?
function M.check(name, ok, detail)
  if ok then
    M.passed = M.passed + 1
    say(('ok %s: %s'):format(prefix, name))
  else
    M.failed = M.failed + 1
    say(('not ok %s: %s%s'):format(prefix, name, detail and '\n    ' .. detail:gsub('\n', '\n    ') or ''))
  end
end

-- Says that something was not checked, and why.
---@param name string
---@param why string
function M.skip(name, why)
  say(('skipped %s: %s: %s'):format(prefix, name, why))
end

-- For what is certain by now: that something did not happen is known once what follows it has.
---@param name string
---@param got any
---@param expected any
function M.equal(name, got, expected)
  M.check(
    name,
    vim.deep_equal(got, expected),
    ('expected %s\ngot      %s'):format(vim.inspect(expected), vim.inspect(got))
  )
end

-- Waits until `condition` is true and returns its value; ends the case if it never is.
---@generic T
---@param what string
---@param condition fun(): T?
---@param limit_ms integer?
---@return T
function M.wait(what, condition, limit_ms)
  local value
  local ok = vim.wait(limit_ms or LIMIT_MS, function()
    value = condition()
    return value and true or false
  end, POLL_MS)
  if not ok then
    error('never happened: ' .. what, 0)
  end
  return value
end

-- The same, as a check.
---@param name string
---@param condition fun(): any
function M.eventually(name, condition)
  local value = M.wait(name, condition)
  M.check(name, true)
  return value
end

-- Waits until what `ask` gives is `expected`, as a check.
---@param name string
---@param ask fun(): any
---@param expected any
function M.becomes(name, ask, expected)
  local got
  vim.wait(LIMIT_MS, function()
    got = ask()
    return vim.deep_equal(got, expected)
  end, POLL_MS)
  M.equal(name, got, expected)
end

-- Runs a case; an error in it is one failed check, with what `explain` says.
---@param name string
---@param case fun()
---@param explain fun(): string
function M.run(name, case, explain)
  local ok, err = xpcall(case, function(message)
    return type(message) == 'string' and message:match('^never happened') and message
      or debug.traceback(tostring(message), 2)
  end)
  if not ok then
    local _, words = pcall(explain)
    M.check(name, false, tostring(err) .. '\n' .. tostring(words))
  end
end

return M
