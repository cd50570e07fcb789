-- What was asked, to be asked again: the prompts of all sessions, the latest last.
local M = {}

-- Chosen by hand.
local MOST = 200

local prompts = {} ---@type string[]

---@param words string
function M.add(words)
  if vim.trim(words) == '' then
    return
  end
  prompts = vim.tbl_filter(function(other)
    return other ~= words
  end, prompts)
  table.insert(prompts, words)
  if #prompts > MOST then
    table.remove(prompts, 1)
  end
end

-- A prompt counted from the latest, which is 1.
---@param back integer
---@return string?
function M.get(back)
  return prompts[#prompts + 1 - back]
end

return M
