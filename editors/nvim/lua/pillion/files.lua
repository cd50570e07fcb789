-- The files of a project, for completion. Git says which there are, where there is one; else the folders are walked.
local M = {}

-- Chosen by hand: more than anybody looks through, and quick enough to walk and to match at each key.
local MOST = 20000
local DEPTH = 8
local FRESH_MS = 5000

---@class pillion.Listing
---@field paths string[] relative to the root
---@field at integer when it was asked for, in ms
---@field asking boolean

local listings = {} ---@type table<string, pillion.Listing>

-- Folders that hold nothing a person has written.
local skipped = { ['.git'] = true, ['.jj'] = true, ['.hg'] = true, node_modules = true, target = true }

---@param root string
---@return string[]
local function walk(root)
  local paths = {}
  local entries = vim.fs.dir(root, {
    depth = DEPTH,
    skip = function(folder)
      return not skipped[vim.fs.basename(folder)]
    end,
  })
  for path, kind in entries do
    if kind == 'file' then
      table.insert(paths, path)
    end
    if #paths >= MOST then
      break
    end
  end
  return paths
end

---@param root string
---@param listing pillion.Listing
local function ask(root, listing)
  listing.asking, listing.at = true, vim.uv.now()
  local cmd = { 'git', '-c', 'core.quotepath=off', 'ls-files', '--cached', '--others', '--exclude-standard' }
  local function done(ran)
    local paths = ran.code == 0 and vim.split(ran.stdout or '', '\n', { trimempty = true }) or nil
    vim.schedule(function()
      listing.paths = paths and vim.list_slice(paths, 1, MOST) or walk(root)
      listing.asking = false
      vim.api.nvim_exec_autocmds('User', { pattern = 'PillionFiles', modeline = false })
    end)
  end
  if not pcall(vim.system, cmd, { cwd = root, text = true }, done) then
    done({ code = 1 })
  end
end

-- What is known now, which is nothing at first; `User PillionFiles` tells when there is more.
---@param root string
---@return string[]
function M.known(root)
  local listing = listings[root] or { paths = {}, at = -FRESH_MS, asking = false }
  listings[root] = listing
  if not listing.asking and vim.uv.now() - listing.at >= FRESH_MS then
    ask(root, listing)
  end
  return listing.paths
end

-- What is there, even if that takes a moment.
---@param root string
---@return string[]
function M.all(root)
  M.known(root)
  vim.wait(1000, function()
    return not listings[root].asking
  end, 5)
  return listings[root].paths
end

return M
