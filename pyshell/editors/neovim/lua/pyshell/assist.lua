--- Completion and documentation, asked of the session while the person types on.

local cells = require("pyshell.cells")

local M = {}
local KINDS = { module = "m", class = "t", ["function"] = "f", keyword = "k", command = "k" }
--- More of a cell than this, before the cursor, is not sent.
local LINES = 500

--- The code of the cell around the cursor, and where in it the cursor is, in characters.
function M.around(buffer, row, column)
  local first = cells.cell(buffer, row) or row
  first = math.max(math.min(first, row), row - LINES)
  local lines = vim.api.nvim_buf_get_lines(buffer, first - 1, row, false)
  local before = vim.list_slice(lines, 1, #lines - 1)
  table.insert(before, lines[#lines]:sub(1, column))
  return table.concat(lines, "\n"), vim.fn.strchars(table.concat(before, "\n"))
end

--- Show completions when they come; nothing waits. `session` may be nil.
function M.complete(session)
  if not session then
    return
  end
  local buffer = vim.api.nvim_get_current_buf()
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  local line = vim.api.nvim_get_current_line()
  local code, position = M.around(buffer, row, column)
  session:cancel(session.completing)
  session.completing = session:request("complete", { code = code, cursor_pos = position }, function(err, found)
    local now = vim.api.nvim_win_get_cursor(0)
    local here = vim.api.nvim_get_current_buf() == buffer and now[1] == row and now[2] == column
    -- A late answer to what was typed over in the meantime would replace the wrong text.
    if err or not here or vim.api.nvim_get_current_line() ~= line or not vim.fn.mode():find("^[iR]") then
      return
    end
    local replaced = vim.fn.strcharpart(code, found.start, position - found.start)
    vim.fn.complete(column - #replaced + 1, M.items(found))
  end)
end

function M.items(found)
  return vim.tbl_map(function(match)
    local item = { word = match.text, kind = KINDS[match.kind] or "v", menu = match.type, dup = 1 }
    item.info = match.signature ~= "" and match.signature or nil
    return item
  end, found.matches)
end

--- Show what is known of the name under the cursor in a floating window.
function M.document(session)
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  local buffer = vim.api.nvim_get_current_buf()
  local code, position = M.around(buffer, row, column)
  session:ask("inspect", { code = code, cursor_pos = position, detail = 0 }, function(found)
    if not found.found then
      return session:tell("nothing is known of what is under the cursor")
    end
    if vim.api.nvim_get_current_buf() == buffer then
      vim.lsp.util.open_floating_preview(M.page(found), "", { border = "single", focus_id = "pyshell" })
    end
  end)
end

--- The lines that describe an inspected object.
function M.page(found)
  local head = found.signature ~= "" and found.signature or found.name
  local facts = { found.type }
  for _, name in ipairs({ "shape", "dtype" }) do
    if found[name] ~= "" then
      table.insert(facts, name .. " " .. found[name])
    end
  end
  if found.size > 0 then
    table.insert(facts, M.size(found.size))
  end
  local lines = { head, table.concat(facts, "   ") }
  for _, text in ipairs({ found.preview, found.doc }) do
    if vim.trim(text) ~= "" then
      table.insert(lines, "")
      vim.list_extend(lines, vim.split(vim.trim(text), "\n"))
    end
  end
  if found.file ~= "" then
    vim.list_extend(lines, { "", ("%s:%d"):format(found.file, found.line) })
  end
  return vim.split(table.concat(lines, "\n"), "\n")
end

--- Bytes for a person.
function M.size(bytes)
  local units = { "B", "kB", "MB", "GB", "TB" }
  local unit = 1
  while bytes >= 1000 and unit < #units do
    bytes, unit = bytes / 1000, unit + 1
  end
  return (unit == 1 and "%d %s" or "%.1f %s"):format(bytes, units[unit])
end

return M
