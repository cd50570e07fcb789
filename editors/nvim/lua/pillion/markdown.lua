-- How the Markdown of a chat is highlighted.
local M = {}

-- The highlights of Markdown, without those that hide whole lines: for these, Neovim asks tree-sitter for each line
-- that it scrolls over. Measured with 5,000 lines: 65 ms a delta, against 1 ms.
---@return string
local function queries()
  local texts = {}
  for _, file in ipairs(vim.treesitter.query.get_files('markdown', 'highlights')) do
    table.insert(texts, table.concat(vim.fn.readfile(file), '\n'))
  end
  return (table.concat(texts, '\n'):gsub('%(#set!%s+conceal_lines%s[^)]*%)', ''))
end

---@param buf integer
local function start(buf)
  local parser = assert(vim.treesitter.get_parser(buf, 'markdown'))
  vim.treesitter.highlighter.new(parser, { queries = { markdown = queries() } })
end

---@param buf integer
function M.highlight(buf)
  -- Neovim 0.10 parses the whole buffer for each redraw: measured 75 ms a delta at 5,000 lines, against 0.1 ms.
  if vim.fn.has('nvim-0.11') == 0 or not pcall(start, buf) then
    vim.bo[buf].syntax = 'markdown'
  end
end

return M
