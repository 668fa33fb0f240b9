--- Which lines of a buffer are meant: the cell, the statement, the project. Lines count from 1, both ends inclusive.

local config = require("pyshell.config")

local M = {}
local MARK = "^%s*#%s*%%%%"

--- The lines around `row` between two `# %%` lines, without these.
function M.cell(buffer, row)
  local lines = vim.api.nvim_buf_get_lines(buffer, 0, -1, false)
  local first, last = row, row
  if (lines[row] or ""):find(MARK) then
    first, last = row + 1, row + 1
  end
  while first > 1 and not lines[first - 1]:find(MARK) do
    first = first - 1
  end
  while last < #lines and not lines[last + 1]:find(MARK) do
    last = last + 1
  end
  return M.trim(buffer, first, math.min(last, #lines))
end

--- Whether a line begins a cell.
function M.is_mark(buffer, row)
  return vim.api.nvim_buf_get_lines(buffer, row - 1, row, false)[1]:find(MARK) ~= nil
end

--- The line `row`, with the block that it opens.
function M.statement(buffer, row)
  local lines = vim.api.nvim_buf_get_lines(buffer, 0, -1, false)
  local indent = #lines[row]:match("^%s*")
  local last = row
  for at = row + 1, #lines do
    local line = lines[at]
    local deeper = #line:match("^%s*") > indent
    local goes_on = #line:match("^%s*") == indent and (M.continues(line) or lines[last]:find("^%s*@"))
    if line:find("%S") then
      if not deeper and not goes_on then
        break
      end
      last = at
    end
  end
  return row, last
end

--- Whether a line belongs to the statement before it though it is not indented.
function M.continues(line)
  local word = line:match("^%s*(%a+)")
  return line:find("^%s*[%)%]}]") ~= nil or vim.tbl_contains({ "else", "elif", "except", "finally", "case" }, word)
end

--- The same range without blank lines at its ends; nil if nothing is left.
function M.trim(buffer, first, last)
  local lines = vim.api.nvim_buf_get_lines(buffer, first - 1, last, false)
  local from, to = 1, #lines
  while from <= to and not lines[from]:find("%S") do
    from = from + 1
  end
  while to >= from and not lines[to]:find("%S") do
    to = to - 1
  end
  if from <= to then
    return first + from - 1, first + to - 1
  end
end

--- The text of a range; with `dedent` without the indentation that its lines share, which the session takes off the
--- code of a file itself.
function M.text(buffer, first, last, dedent)
  local lines = vim.api.nvim_buf_get_lines(buffer, first - 1, last, false)
  local shared = dedent and math.huge or 0
  for _, line in ipairs(lines) do
    if line:find("%S") then
      shared = math.min(shared, #line:match("^%s*"))
    end
  end
  shared = shared == math.huge and 0 or shared
  for i, line in ipairs(lines) do
    lines[i] = line:sub(shared + 1)
  end
  return table.concat(lines, "\n")
end

--- The directory of the project that a buffer belongs to.
function M.project(buffer)
  local name = vim.api.nvim_buf_get_name(buffer)
  local start = name ~= "" and vim.bo[buffer].buftype == "" and vim.fn.fnamemodify(name, ":p:h") or vim.fn.getcwd()
  local directory = start
  while true do
    for _, mark in ipairs(config.roots) do
      if vim.loop.fs_stat(directory .. "/" .. mark) then
        return directory
      end
    end
    local above = vim.fn.fnamemodify(directory, ":h")
    if above == directory then
      return vim.loop.fs_stat(start) and start or vim.fn.getcwd()
    end
    directory = above
  end
end

return M
