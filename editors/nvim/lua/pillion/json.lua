-- JSON for people: indented, keys in order.
local M = {}

local format

---@param text string
---@return string
local function quote(text)
  -- Some versions of vim.json escape the slash, which is allowed and ugly.
  return (vim.json.encode(text):gsub('\\(.)', function(char)
    return char == '/' and '/' or nil
  end))
end

---@param items string[]
---@param open string
---@param close string
---@param indent string
local function block(items, open, close, indent)
  local inner = indent .. '  '
  return open .. '\n' .. inner .. table.concat(items, ',\n' .. inner) .. '\n' .. indent .. close
end

---@param value table
---@param indent string
local function format_table(value, indent)
  local items = {}
  if vim.islist(value) and getmetatable(value) ~= getmetatable(vim.empty_dict()) then
    for _, item in ipairs(value) do
      table.insert(items, format(item, indent .. '  '))
    end
    return #items == 0 and '[]' or block(items, '[', ']', indent)
  end
  local keys = vim.tbl_keys(value)
  table.sort(keys)
  for _, key in ipairs(keys) do
    table.insert(items, quote(key) .. ': ' .. format(value[key], indent .. '  '))
  end
  return #items == 0 and '{}' or block(items, '{', '}', indent)
end

---@param value any
---@param indent string
---@return string
function format(value, indent)
  if type(value) == 'table' then
    return format_table(value, indent)
  elseif type(value) == 'string' then
    return quote(value)
  end
  return vim.json.encode(value)
end

---@param value any what vim.json.decode gave
---@return string[] lines
function M.lines(value)
  return vim.split(format(value, ''), '\n', { plain = true })
end

---@param lines string[]
---@return any value, string? err
function M.decode(lines)
  local ok, value = pcall(vim.json.decode, table.concat(lines, '\n'))
  if ok then
    return value
  end
  return nil, tostring(value)
end

return M
