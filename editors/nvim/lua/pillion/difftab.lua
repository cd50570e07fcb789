-- A tab page with two texts side by side in diff mode; see |diff-mode|.
local M = {}

---@class pillion.Side
---@field buf integer? one that is there already
---@field name string? of a new one, which can only be looked at
---@field lines string[]?
---@field status string? what stands below it, if it is new
---@field bar string what stands above it

---@class pillion.DiffTab
---@field page integer
---@field left integer buffer
---@field right integer buffer
---@field own integer[] those buffers that go with it
---@field windows integer[] the left one, then the right one

---@param side pillion.Side
---@param path string what kind of file it is
---@return integer buf
local function fill(side, path)
  if side.buf then
    return side.buf
  end
  local buf = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(buf, side.name)
  vim.api.nvim_buf_set_lines(buf, 0, -1, true, side.lines)
  vim.bo[buf].bufhidden, vim.bo[buf].modifiable = 'wipe', false
  -- By 'syntax' alone: a filetype would wake up language servers.
  local filetype = vim.filetype.match({ filename = path, contents = side.lines })
  local language = filetype and vim.treesitter.language.get_lang(filetype)
  if not (language and pcall(vim.treesitter.start, buf, language)) then
    vim.bo[buf].syntax = filetype or ''
  end
  return buf
end

---@param left pillion.Side
---@param right pillion.Side
---@param path string
---@return pillion.DiffTab
function M.open(left, right, path)
  vim.cmd('tab split')
  local bufs = { fill(left, path), fill(right, path) }
  local windows = { vim.api.nvim_get_current_win() }
  vim.api.nvim_win_set_buf(windows[1], bufs[1])
  windows[2] = vim.api.nvim_open_win(bufs[2], true, { split = 'right', win = windows[1] })
  for index, side in ipairs({ left, right }) do
    local options = vim.wo[windows[index]][0]
    options.winbar = '%#Title#' .. side.bar:gsub('%%', '%%%%')
    if not side.buf then
      options.signcolumn, options.statusline = 'no', ' ' .. side.status:gsub('%%', '%%%%')
    end
    vim.api.nvim_win_call(windows[index], vim.cmd.diffthis)
  end
  vim.cmd.wincmd('=')
  local own = {}
  for index, side in ipairs({ left, right }) do
    table.insert(own, not side.buf and bufs[index] or nil)
  end
  return { page = vim.api.nvim_get_current_tabpage(), left = bufs[1], right = bufs[2], own = own, windows = windows }
end

-- Goes to one that was opened before; false if not both of its sides are there any more.
---@param tab pillion.DiffTab
---@return boolean
function M.revisit(tab)
  for index, buf in ipairs({ tab.left, tab.right }) do
    local window = tab.windows[index]
    if not vim.api.nvim_win_is_valid(window) or vim.api.nvim_win_get_buf(window) ~= buf then
      return false
    end
  end
  vim.api.nvim_set_current_win(tab.windows[2])
  return true
end

---@param tab pillion.DiffTab
function M.close(tab)
  for _, window in ipairs(tab.windows) do
    if vim.api.nvim_win_is_valid(window) then
      vim.api.nvim_win_call(window, function()
        vim.cmd('diffoff')
      end)
    end
  end
  if vim.api.nvim_tabpage_is_valid(tab.page) and #vim.api.nvim_list_tabpages() > 1 then
    vim.cmd.tabclose(vim.api.nvim_tabpage_get_number(tab.page))
  end
  -- What is shown elsewhere, or was in the last tab page.
  for _, buf in ipairs(tab.own) do
    if vim.api.nvim_buf_is_valid(buf) then
      vim.api.nvim_buf_delete(buf, { force = true })
    end
  end
end

return M
