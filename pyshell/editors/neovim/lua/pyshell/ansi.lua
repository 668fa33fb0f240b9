--- The end of a terminal's text as lines with highlights: colours, `\r`, backspace, and what progress bars do. Pure.

local M = {}
local Screen = {}
Screen.__index = Screen

--- Lines that a program can still reach by moving the cursor up.
local REACH = 50

--- A screen has `lines` of `{ text, spans }`; a span is `{ first, last, style }` in bytes, from 0, last exclusive.
function M.screen()
  return setmetatable({ lines = { { text = "", spans = {} } }, row = 1, column = nil, style = nil, rest = "" }, Screen)
end

--- Write text as a terminal would; returns the first line that changed.
function Screen:feed(text)
  text = self.rest .. text
  self.rest = ""
  self.dirty = self.row
  local at = 1
  while at <= #text do
    local control = text:find("[%z\1-\31\127]", at)
    self:_write(text:sub(at, (control or #text + 1) - 1))
    if not control then
      break
    end
    local after = self:_control(text, control)
    if not after then -- a sequence that is not whole yet
      self.rest = text:sub(control)
      break
    end
    at = after
  end
  return self.dirty
end

--- Forget the lines that nothing can change any more; returns how many.
function Screen:settle()
  local gone = math.max(0, #self.lines - REACH)
  if gone > 0 then
    self.lines = vim.list_slice(self.lines, gone + 1)
    self.row = math.max(1, self.row - gone)
  end
  return gone
end

function Screen:_control(text, at)
  local char = text:sub(at, at)
  if char == "\n" then
    self:_move(self.row + 1)
    self.column = nil
    if self.lines[self.row].text ~= "" then
      self.column = 0
    end
  elseif char == "\r" then
    self.column = 0
  elseif char == "\b" then
    self.column = math.max(0, (self.column or vim.fn.strchars(self.lines[self.row].text)) - 1)
  elseif char == "\t" then
    self:_write("\t")
  elseif char == "\27" then
    return self:_escape(text, at)
  end
  return at + 1
end

function Screen:_escape(text, at)
  local kind = text:sub(at + 1, at + 1)
  if kind == "[" then
    local _, last, parameters, final = text:find("^%[([0-?]*)[ -/]*([@-~])", at + 1)
    if last then
      self:_sequence(parameters, final)
      return last + 1
    end
  elseif kind == "]" then -- a title or a hyperlink: of no use here
    local last = select(2, text:find("\27\\", at + 2, true))
    local bell = text:find("\7", at + 2, true)
    last = bell and math.min(bell, last or bell) or last
    if last then
      return last + 1
    end
  elseif kind ~= "" then
    return at + (kind:find("[()]") and 3 or 2)
  end
  return #text - at > 4000 and at + 1 or nil
end

function Screen:_sequence(parameters, final)
  local count = math.max(1, tonumber(parameters) or 1)
  if final == "m" then
    self.style = M.style(self.style, parameters)
  elseif final == "A" then
    self.column = self.column or vim.fn.strchars(self.lines[self.row].text)
    self:_move(math.max(1, self.row - count))
  elseif final == "B" then
    self:_move(self.row + count)
  elseif final == "C" then
    self.column = self.column and self.column + count
  elseif final == "D" then
    self.column = math.max(0, (self.column or vim.fn.strchars(self.lines[self.row].text)) - count)
  elseif final == "G" then
    self.column = count - 1
  elseif final == "K" then
    self:_erase(tonumber(parameters) or 0)
  end
end

function Screen:_move(row)
  while #self.lines < row do
    table.insert(self.lines, { text = "", spans = {} })
  end
  self.row = row
  self.dirty = math.min(self.dirty, row)
end

function Screen:_erase(what)
  local line = self.lines[self.row]
  if what == 2 then
    line.text, line.spans = "", {}
  elseif what == 0 and self.column then
    self:_replace(self.column, math.huge, "")
  end
end

function Screen:_write(text)
  if text == "" then
    return
  end
  if self.column then
    local length = vim.fn.strchars(text)
    self:_replace(self.column, length, text)
    self.column = self.column + length
    return
  end
  local line = self.lines[self.row]
  if self.style then
    table.insert(line.spans, { #line.text, #line.text + #text, self.style })
  end
  line.text = line.text .. text
end

--- Put text over `count` characters from number `column` on.
function Screen:_replace(column, count, text)
  local line = self.lines[self.row]
  local length = vim.fn.strchars(line.text)
  if length < column then
    line.text, length = line.text .. (" "):rep(column - length), column
  end
  local from = vim.str_byteindex(line.text, column)
  local to = vim.str_byteindex(line.text, math.min(length, column + count))
  local spans, grown = {}, #text - (to - from)
  for _, span in ipairs(line.spans) do
    if span[1] < from then
      table.insert(spans, { span[1], math.min(span[2], from), span[3] })
    end
    if span[2] > to then
      table.insert(spans, { math.max(span[1], to) + grown, span[2] + grown, span[3] })
    end
  end
  if self.style and text ~= "" then
    table.insert(spans, { from, from + #text, self.style })
  end
  line.text, line.spans = line.text:sub(1, from) .. text .. line.text:sub(to + 1), spans
end

local ATTRIBUTES = { [1] = "bold", [3] = "italic", [4] = "underline", [7] = "reverse", [9] = "strikethrough" }
local OFF = { [22] = "bold", [23] = "italic", [24] = "underline", [27] = "reverse", [29] = "strikethrough" }

--- The style after a sequence `ESC [ parameters m`: `{ fg, bg, bold, … }`, colours as 0 to 255 or `#rrggbb`; nil: plain.
function M.style(style, parameters)
  local codes = {}
  for code in (parameters .. ";"):gmatch("(%d*)[;:]") do
    table.insert(codes, tonumber(code) or 0)
  end
  local new = vim.deepcopy(style or {})
  local i = 1
  while i <= #codes do
    local code = codes[i]
    local ground = (code >= 40 and code <= 48 or code >= 100 and code <= 107) and "bg" or "fg"
    if code == 0 then
      new = {}
    elseif ATTRIBUTES[code] then
      new[ATTRIBUTES[code]] = true
    elseif OFF[code] then
      new[OFF[code]] = nil
    elseif code == 39 then
      new.fg = nil
    elseif code == 49 then
      new.bg = nil
    elseif (code == 38 or code == 48) and codes[i + 1] == 5 then
      new[ground], i = codes[i + 2], i + 2
    elseif (code == 38 or code == 48) and codes[i + 1] == 2 then
      new[ground] = ("#%02x%02x%02x"):format(codes[i + 2] or 0, codes[i + 3] or 0, codes[i + 4] or 0)
      i = i + 4
    elseif code >= 30 and code <= 47 then
      new[ground] = code % 10
    elseif code >= 90 and code <= 107 then
      new[ground] = code % 10 + 8
    end
    i = i + 1
  end
  return next(new) and new or nil
end

local LEVELS = { [0] = 0, 95, 135, 175, 215, 255 }
local PALETTE = {
  [0] = "#000000", "#cc0000", "#4e9a06", "#c4a000", "#3465a4", "#75507b", "#06989a", "#d3d7cf",
  "#555753", "#ef2929", "#8ae234", "#fce94f", "#729fcf", "#ad7fa8", "#34e2e2", "#eeeeec",
}

--- A colour as `#rrggbb`, after the colour scheme's own sixteen if it has any.
function M.rgb(color)
  if type(color) == "string" then
    return color
  elseif color < 16 then
    return vim.g["terminal_color_" .. color] or PALETTE[color]
  elseif color < 232 then
    local cube = color - 16
    local red, green, blue = math.floor(cube / 36), math.floor(cube / 6) % 6, cube % 6
    return ("#%02x%02x%02x"):format(LEVELS[red], LEVELS[green], LEVELS[blue])
  end
  local grey = 8 + (color - 232) * 10
  return ("#%02x%02x%02x"):format(grey, grey, grey)
end

return M
