-- A recording of a terminal as an animated SVG. Each picture is held for as long as it is told to, however long the
-- machine took for it: a line that stays the same from one picture to the next is drawn once, and shown for both.
local M = {}

---@class test.Film
---@field private me test.Person
---@field private columns integer
---@field private pictures { lines: string[], row: integer, column: integer, ms: integer }[]
local Film = {}
Film.__index = Film

---@param me test.Person
---@param columns integer
---@return test.Film
function M.new(me, columns)
  return setmetatable({ me = me, columns = columns, pictures = {} }, Film)
end

-- Takes a picture, unless it is the last one again, which is then held longer.
---@param ms integer how long it is held
function Film:take(ms)
  local lines, row, column = self.me:picture()
  local last = self.pictures[#self.pictures]
  if last and vim.deep_equal(last.lines, lines) and last.row == row and last.column == column then
    last.ms = last.ms + ms
  else
    table.insert(self.pictures, { lines = lines, row = row, column = column, ms = ms })
  end
end

-- Types, with a picture for every few keys.
---@param keys string as for [test.Person:type]
function Film:type(keys)
  for part in keys:gmatch('<[^>]*>') do
    assert(part == keys, 'a special key is typed alone: ' .. keys)
  end
  local parts = keys:match('^<') and { keys } or {}
  if #parts == 0 then
    for at = 1, #keys, 3 do
      table.insert(parts, keys:sub(at, at + 2))
    end
  end
  for _, part in ipairs(parts) do
    self.me:type(part)
    self:take(130)
  end
end

-- Waits for a condition, with a picture of whatever is seen meanwhile.
---@param what string
---@param condition fun(): any
function Film:wait(what, condition)
  require('check').wait(what, function()
    local last = self.pictures[#self.pictures]
    local is_met, held = condition(), last.ms
    self:take(90)
    if self.pictures[#self.pictures] == last then
      -- Nothing has moved: waiting is not shown.
      last.ms = held
    end
    return is_met
  end)
end

local BASIC = {
  [0] = '#1d2021',
  '#d16969',
  '#6a9955',
  '#d7ba7d',
  '#569cd6',
  '#c586c0',
  '#4ec9b0',
  '#d4d4d4',
  '#808080',
  '#f48771',
  '#b5cea8',
  '#dcdcaa',
  '#9cdcfe',
  '#d7a6d7',
  '#8be0d0',
  '#ffffff',
} -- stylua: ignore
local PAPER, INK = '#14161b', '#e0e2ea'

---@param index integer of the 256 colours
---@return string
local function colour(index)
  if index < 16 then
    return BASIC[index]
  elseif index >= 232 then
    local grey = 8 + (index - 232) * 10
    return ('#%02x%02x%02x'):format(grey, grey, grey)
  end
  local function level(part)
    return part == 0 and 0 or 55 + part * 40
  end
  local cube = index - 16
  return ('#%02x%02x%02x'):format(level(math.floor(cube / 36)), level(math.floor(cube / 6) % 6), level(cube % 6))
end

---@class test.Style
---@field fg string?
---@field bg string?
---@field bold boolean?
---@field italic boolean?
---@field underline boolean?
---@field reverse boolean?

local switches = {
  [1] = { 'bold', true },
  [3] = { 'italic', true },
  [4] = { 'underline', true },
  [7] = { 'reverse', true },
  [22] = { 'bold', nil },
  [23] = { 'italic', nil },
  [24] = { 'underline', nil },
  [27] = { 'reverse', nil },
  [39] = { 'fg', nil },
  [49] = { 'bg', nil },
}

-- Follows an escape sequence that sets colours; see ECMA-48, SGR.
---@param style test.Style
---@param codes string
---@return test.Style
local function follow(style, codes)
  local numbers = vim.tbl_map(function(code)
    return tonumber(code) or 0
  end, vim.split((codes:gsub('4:%d', '4')), '[;:]'))
  style = vim.deepcopy(style)
  local at = 1
  while at <= #numbers do
    local code = numbers[at]
    local ground = (code == 38 or code >= 30 and code <= 37 or code >= 90 and code <= 97) and 'fg' or 'bg'
    if code == 0 then
      style = {}
    elseif switches[code] then
      style[switches[code][1]] = switches[code][2]
    elseif (code == 38 or code == 48) and numbers[at + 1] == 5 then
      style[ground] = colour(numbers[at + 2])
      at = at + 2
    elseif (code == 38 or code == 48) and numbers[at + 1] == 2 then
      style[ground] = ('#%02x%02x%02x'):format(numbers[at + 2], numbers[at + 3], numbers[at + 4])
      at = at + 4
    elseif code >= 90 then
      style[ground] = BASIC[code % 10 + 8]
    elseif code >= 30 and code < 50 then
      style[ground] = BASIC[code % 10]
    end
    at = at + 1
  end
  return style
end

---@param text string
---@return string
local function escape(text)
  -- Spaces would run together.
  return (text:gsub('[&<> ]', { ['&'] = '&amp;', ['<'] = '&lt;', ['>'] = '&gt;', [' '] = '\u{a0}' }))
end

local WIDTH, HEIGHT = 8.4, 18

---@param text string
---@param column integer
---@param style test.Style
---@return string background, string foreground
local function draw_run(text, column, style)
  local fg, bg = style.fg or INK, style.bg
  if style.reverse then
    fg, bg = bg or PAPER, fg
  end
  local x, width = column * WIDTH, vim.fn.strdisplaywidth(text) * WIDTH
  local behind = bg and ('<rect x="%.1f" width="%.1f" height="%d" fill="%s"/>'):format(x, width, HEIGHT, bg) or ''
  if not text:find('%S') then
    return behind, ''
  end
  local look = (fg ~= INK and (' fill="%s"'):format(fg) or '')
    .. (style.bold and ' font-weight="bold"' or '')
    .. (style.italic and ' font-style="italic"' or '')
    .. (style.underline and ' text-decoration="underline"' or '')
  -- The length is given, so that any monospaced font fills its cells.
  local shape = '<text x="%.1f" y="13.5" textLength="%.1f"%s>%s</text>'
  return behind, shape:format(x, width, look, escape(text))
end

---@param line string with escape sequences
---@return string
local function draw_line(line)
  local style, column, behind, front = {}, 0, {}, {} ---@type test.Style, integer, string[], string[]
  for plain, codes in (line .. '\27[m'):gmatch('([^\27]*)\27%[([%d;:]*)m') do
    if plain ~= '' then
      local back, text = draw_run(plain, column, style)
      table.insert(behind, back)
      table.insert(front, text)
      column = column + vim.fn.strdisplaywidth(plain)
    end
    style = follow(style, codes)
  end
  return table.concat(behind) .. table.concat(front)
end

-- Something that is there from one moment to another, again and again.
---@param shape string
---@param from integer in ms
---@param to integer in ms
---@param all integer in ms
---@return string
local function shown(shape, from, to, all)
  if from == 0 and to == all then
    return shape
  end
  local times, values = { '0' }, { from == 0 and 'visible' or 'hidden' }
  if from > 0 then
    table.insert(times, ('%.4f'):format(from / all))
    table.insert(values, 'visible')
  end
  if to < all then
    table.insert(times, ('%.4f'):format(to / all))
    table.insert(values, 'hidden')
  end
  local group = '<g visibility="hidden"><animate attributeName="visibility" calcMode="discrete"'
    .. ' repeatCount="indefinite" dur="%dms" keyTimes="%s" values="%s"/>%s</g>'
  return group:format(all, table.concat(times, ';'), table.concat(values, ';'), shape)
end

-- The whole recording.
---@param title string
---@return string svg
function Film:develop(title)
  local all, rows = 0, #self.pictures[1].lines
  for _, picture in ipairs(self.pictures) do
    picture.from, all = all, all + picture.ms
  end
  local width, height = self.columns * WIDTH, rows * HEIGHT
  local head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-12 -12 %d %d" width="%d" height="%d" fill="%s"'
    .. ' font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace" font-size="14"'
    .. '>'
  local paper = '<title>%s</title><rect x="-12" y="-12" width="100%%" height="100%%" rx="8" fill="%s"/>'
  local parts = {
    head:format(width + 24, height + 24, width + 24, height + 24, INK),
    paper:format(escape(title), PAPER),
  }
  for row = 1, rows do
    table.insert(parts, ('<g transform="translate(0 %d)">'):format((row - 1) * HEIGHT))
    local from, line = 0, self.pictures[1].lines[row]
    for index = 2, #self.pictures + 1 do
      local picture = self.pictures[index]
      if not picture or picture.lines[row] ~= line then
        local to = picture and picture.from or all
        local shape = draw_line(line)
        if shape ~= '' then
          table.insert(parts, shown(shape, from, to, all))
        end
        from, line = to, picture and picture.lines[row]
      end
    end
    table.insert(parts, '</g>')
  end
  for index, picture in ipairs(self.pictures) do
    local cursor = '<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" opacity="0.6"/>'
    local shape = cursor:format(picture.column * WIDTH, picture.row * HEIGHT, WIDTH, HEIGHT, INK)
    local next_one = self.pictures[index + 1]
    table.insert(parts, shown(shape, picture.from, next_one and next_one.from or all, all))
  end
  table.insert(parts, '</svg>\n')
  return table.concat(parts, '\n')
end

return M
