--- Results beside the code: virtual text at the end of what was sent, which goes when that text changes.

local config = require("pyshell.config")

local M = {}
local space = vim.api.nvim_create_namespace("pyshell.marks")
local marks = {} -- by buffer: a list
local watched = {}

--- Note that lines `first` to `last` were sent; returns the mark.
function M.add(session, buffer, first, last)
  M.watch(buffer)
  M.clear(buffer, first, last)
  local text = vim.api.nvim_buf_get_lines(buffer, first - 1, last, false)
  local mark = { session = session, buffer = buffer, text = text, line = first }
  mark.id = vim.api.nvim_buf_set_extmark(buffer, space, first - 1, 0, { end_row = last - 1, end_col = #text[#text] })
  marks[buffer] = marks[buffer] or {}
  table.insert(marks[buffer], mark)
  M.draw(mark)
  return mark
end

--- Take away the marks of a range, or all of a buffer.
function M.clear(buffer, first, last)
  M.remove(buffer, function(mark)
    local from, to = M.range(mark)
    return not first or not from or from <= last and to >= first
  end)
end

--- Take an event of a session, nil when the connection is lost.
function M.take(session, event)
  for _, list in pairs(marks) do
    for _, mark in ipairs(list) do
      if mark.session == session then
        if not event and not mark.cell then
          mark.lost = true
        elseif event and not mark.cell and M.is_its_cell(mark, event) then
          mark.cell, mark.lost = event.cell, nil
        end
        if not event or mark.cell == event.cell then
          M.draw(mark)
        end
      end
    end
  end
end

--- A cell whose number did not arrive, because the connection ended first, is known by its code.
function M.is_its_cell(mark, event)
  local body = event.body
  return mark.lost and body.kind == "queued" and event.client == mark.session.client and vim.endswith(body.code, mark.code)
end

local function short(text)
  local line = text:gsub("%s*\n%s*", " ")
  if vim.fn.strchars(line) > config.mark_width then
    line = vim.fn.strcharpart(line, 0, config.mark_width - 1) .. "…"
  end
  return line
end

--- The text and the highlight group of a mark.
function M.look(mark)
  local cell = mark.cell and mark.session.cells[mark.cell]
  if not cell then
    return mark.lost and "? the connection was lost before it was queued" or "⋯", "PyshellPending"
  elseif cell.died then
    return "✗ " .. short(cell.died.reason), "PyshellError"
  elseif not cell.seconds then
    return ("⋯ In[%d] %s"):format(mark.cell, cell.status or "queued"), "PyshellPending"
  elseif cell.error then
    return "✗ " .. short(cell.error.kind .. ": " .. cell.error.message), "PyshellError"
  elseif cell.status ~= "ok" then
    return "✗ " .. cell.status, "PyshellError"
  elseif cell.result then
    return short(("Out[%d]: %s"):format(mark.cell, cell.result)), "PyshellResult"
  end
  return ("✓ In[%d] %.2f s"):format(mark.cell, cell.seconds), "PyshellDone"
end

function M.draw(mark)
  local first, last = M.range(mark)
  if not first then
    return
  end
  local text, group = M.look(mark)
  mark.beside = vim.api.nvim_buf_set_extmark(mark.buffer, space, M.row(mark, first, last) - 1, 0, {
    id = mark.beside,
    virt_text = { { "  " .. text, group } },
    hl_mode = "combine",
  })
end

--- The line beside which it stands: where an error was raised, or the last one. Tracebacks have the lines as they were
--- when the code was sent; meanwhile it may have moved.
function M.row(mark, first, last)
  local cell = mark.cell and mark.session.cells[mark.cell]
  local found = last
  for line in ((cell and cell.error or {}).traceback or ""):gmatch(', line (%d+)') do
    local row = tonumber(line)
    if mark.file and cell.error.traceback:find('"' .. mark.file .. '", line ' .. row, 1, true) then
      row = row + first - mark.line
      found = row >= first and row <= last and row or found
    end
  end
  return found
end

--- The first and the last line of a mark; nil if they are gone.
function M.range(mark)
  if not vim.api.nvim_buf_is_loaded(mark.buffer) then
    return nil
  end
  local at = vim.api.nvim_buf_get_extmark_by_id(mark.buffer, space, mark.id, { details = true })
  if at[1] then
    return at[1] + 1, at[3].end_row + 1
  end
end

--- Take away those of a buffer that are wanted away.
function M.remove(buffer, is_wanted)
  marks[buffer] = vim.tbl_filter(function(mark)
    if not is_wanted(mark) then
      return true
    end
    if vim.api.nvim_buf_is_valid(buffer) then
      vim.api.nvim_buf_del_extmark(buffer, space, mark.id)
      vim.api.nvim_buf_del_extmark(buffer, space, mark.beside)
    end
  end, marks[buffer] or {})
end

--- Look at each change of the buffer, and take away what it made stale.
function M.watch(buffer)
  if watched[buffer] then
    return
  end
  watched[buffer] = vim.api.nvim_buf_attach(buffer, false, {
    on_lines = function(_, _, _, first, _, last)
      -- Later: extmarks move when the change is complete.
      vim.schedule(function()
        M.remove(buffer, function(mark)
          local from, to = M.range(mark)
          return not from or from <= last + 1 and to >= first and M.is_stale(mark, from, to)
        end)
      end)
    end,
    on_reload = function()
      M.clear(buffer)
    end,
    on_detach = function()
      marks[buffer], watched[buffer] = nil, nil
    end,
  })
end

function M.is_stale(mark, from, to)
  local now = vim.api.nvim_buf_get_lines(mark.buffer, from - 1, to, false)
  return not vim.deep_equal(now, mark.text)
end

--- The texts of a buffer's marks, by line: for tests, and for who wants them elsewhere.
function M.texts(buffer)
  local found = {}
  for _, mark in ipairs(marks[buffer] or {}) do
    local first, last = M.range(mark)
    if first then
      table.insert(found, { M.row(mark, first, last), (M.look(mark)) })
    end
  end
  return found
end

return M
