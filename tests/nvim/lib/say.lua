-- Steps of the scripted model, shortly.
local M = {}

---@param path string
---@return table
function M.read(path)
  return { tool = 'read', input = { path = path } }
end

---@param path string
---@param changes string[][] each { old, new }
---@return table
function M.edit(path, changes)
  local edits = vim.tbl_map(function(change)
    return { old_string = change[1], new_string = change[2] }
  end, changes)
  return { tool = 'edit', input = { path = path, edits = edits } }
end

---@param command string
---@return table
function M.bash(command)
  return { tool = 'bash', input = { command = command } }
end

-- The model's rounds in one turn: the first answers the prompt, the next its tool results, and so on.
---@param prompt string part of the prompt
---@param rounds table[][] each round's actions
---@return table[] steps
function M.turn(prompt, rounds)
  local steps, results = {}, 0
  for _, actions in ipairs(rounds) do
    table.insert(steps, { prompt = prompt, results = results, say = actions })
    for _, action in ipairs(actions) do
      results = results + (action.tool and 1 or 0)
    end
  end
  return steps
end

---@param ... table[] lists of steps
---@return table[]
function M.script(...)
  local steps = {}
  for _, some in ipairs({ ... }) do
    vim.list_extend(steps, some)
  end
  return steps
end

---@param path string
---@return string
function M.on_disk(path)
  local file = assert(io.open(path))
  local text = file:read('a')
  file:close()
  return text
end

return M
