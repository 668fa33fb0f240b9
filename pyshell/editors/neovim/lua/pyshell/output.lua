--- The output window: everything that a session's cells show, as it comes.

local ansi = require("pyshell.ansi")
local config = require("pyshell.config")

local M = {}
local space = vim.api.nvim_create_namespace("pyshell.output")
local shown = {} -- by session name: buffer, screen, base (lines above the screen), pieces that are not drawn yet
local groups = {}

--- The buffer of a session's output; made if there is none.
function M.buffer(name)
  local output = shown[name]
  if output and vim.api.nvim_buf_is_valid(output.buffer) then
    return output.buffer
  end
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(buffer, "pyshell://" .. name)
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].bufhidden = "hide"
  vim.bo[buffer].filetype = "pyshell-output"
  vim.b[buffer].pyshell_session = name
  shown[name] = { buffer = buffer, screen = ansi.screen(), base = 0, pieces = {} }
  return buffer
end

--- Show the window below, and stay where the cursor is.
function M.open(name)
  local buffer = M.buffer(name)
  if vim.fn.bufwinid(buffer) == -1 then
    local here = vim.api.nvim_get_current_win()
    vim.cmd(("botright %dsplit"):format(config.height))
    vim.api.nvim_win_set_buf(0, buffer)
    vim.wo.winfixheight, vim.wo.number, vim.wo.relativenumber, vim.wo.signcolumn = true, false, false, "no"
    vim.cmd("normal! G")
    vim.api.nvim_set_current_win(here)
  end
end

--- Close the window if it is open, open it else.
function M.toggle(name)
  local window = vim.fn.bufwinid(M.buffer(name))
  if window == -1 then
    M.open(name)
  else
    vim.api.nvim_win_close(window, false)
  end
end

--- Add text as a terminal would show it.
function M.write(name, text)
  M.add(name, text)
end

--- Add lines that begin at the left, whatever was there before.
function M.say(name, text)
  M.add(name, { text })
end

function M.add(name, piece)
  M.buffer(name)
  local output = shown[name]
  table.insert(output.pieces, piece)
  if #output.pieces == 1 then -- all that comes in one turn is drawn at once
    vim.schedule(function()
      M.draw(output)
    end)
  end
end

function M.draw(output)
  local pieces = output.pieces
  output.pieces = {}
  if not vim.api.nvim_buf_is_valid(output.buffer) then
    return
  end
  local screen, dirty = output.screen, math.huge
  for _, piece in ipairs(pieces) do
    if type(piece) == "table" then
      screen.style, screen.rest = nil, ""
      local fresh = screen.lines[#screen.lines].text == "" and screen.row == #screen.lines
      screen.row, screen.column = #screen.lines, nil
      piece = (fresh and "" or "\n") .. piece[1] .. "\n"
    end
    dirty = math.min(dirty, screen:feed(piece))
  end
  M.replace(output, dirty)
end

function M.replace(output, dirty)
  local buffer, screen = output.buffer, output.screen
  local following = {}
  for _, window in ipairs(vim.fn.win_findbuf(buffer)) do
    if vim.api.nvim_win_get_cursor(window)[1] >= vim.api.nvim_buf_line_count(buffer) then
      table.insert(following, window)
    end
  end
  local lines = {}
  for row = dirty, #screen.lines do
    table.insert(lines, screen.lines[row].text)
  end
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_clear_namespace(buffer, space, output.base + dirty - 1, -1)
  vim.api.nvim_buf_set_lines(buffer, output.base + dirty - 1, -1, false, lines)
  for row = dirty, #screen.lines do
    M.paint(buffer, output.base + row - 1, screen.lines[row].spans)
  end
  output.base = output.base + screen:settle()
  local surplus = vim.api.nvim_buf_line_count(buffer) - config.max_lines
  if surplus > 0 and output.base >= surplus then
    vim.api.nvim_buf_set_lines(buffer, 0, surplus, false, {})
    output.base = output.base - surplus
  end
  vim.bo[buffer].modifiable, vim.bo[buffer].modified = false, false
  for _, window in ipairs(following) do
    vim.api.nvim_win_set_cursor(window, { vim.api.nvim_buf_line_count(buffer), 0 })
  end
end

function M.paint(buffer, row, spans)
  for _, span in ipairs(spans) do
    local options = { end_col = span[2], hl_group = M.group(span[3]) }
    vim.api.nvim_buf_set_extmark(buffer, space, row, span[1], options)
  end
end

--- The highlight group of a style.
function M.group(style)
  local keys = {}
  for key, value in pairs(style) do
    table.insert(keys, key .. tostring(value):gsub("[^%w]", ""))
  end
  table.sort(keys)
  local name = "PyshellAnsi_" .. table.concat(keys, "_")
  if not groups[name] then
    groups[name] = true
    local look = vim.deepcopy(style)
    look.fg, look.bg = style.fg and ansi.rgb(style.fg), style.bg and ansi.rgb(style.bg)
    vim.api.nvim_set_hl(0, name, look)
  end
  return name
end

local function names(list)
  return #list > 0 and table.concat(list, ", ") or "nothing"
end

--- What a recovery could not bring back, a line each.
local function lacking(list)
  local lines = {}
  for _, lost in ipairs(list) do
    local cell = lost.cell and (" (In[%d] made it)"):format(lost.cell) or ""
    table.insert(lines, ("\n  not restored: %s, %s: %s%s"):format(lost.name, lost.type, lost.reason, cell))
  end
  return table.concat(lines)
end

local function program(session, event)
  return session.drawing == event.cell and event.cell ~= nil
end

--- How each event is shown; what is not here is not shown.
local SHOWN = {
  started = function(session, event)
    local cell = session.cells[event.cell] or {}
    local code = vim.trim((cell.code or ""):gsub("^# %%%% [^\n]*%[sent%]\n", "", 1))
    local first = code:match("[^\n]*")
    local more = first ~= code and " …" or ""
    local by = event.client ~= session.client and ("   (%s)"):format(event.client) or ""
    return ("\27[32mIn [%d]:\27[m %s%s%s"):format(event.cell, first, more, by)
  end,
  result = function(_, event, body)
    return ("\27[31mOut[%d]:\27[m %s"):format(event.cell, body.text)
  end,
  display = function(_, _, body)
    return not body.of_result and body.text ~= "" and body.text or nil
  end,
  error = function(_, _, body)
    return not body.printed and body.error.traceback or nil
  end,
  finished = function(_, event, body)
    if body.status == "interrupted" or body.status == "aborted" then
      return ("In [%d] was %s."):format(event.cell, body.status)
    end
  end,
  died = function(_, _, body)
    local stack = body.exit.stack ~= "" and "\n" .. vim.trim(body.exit.stack) or ""
    return "\27[1;31m" .. body.exit.reason .. "\27[m" .. stack
  end,
  restored = function(_, event, body)
    local line = ("═══ RESTART: epoch %d ═══\n"):format(event.epoch)
    return ("%sRestored in %.2f s: %s.%s"):format(line, body.seconds, names(body.names), lacking(body.not_restored))
  end,
  checked_out = function(_, _, body)
    local where = body.cell and (" (after In[%d])"):format(body.cell) or ""
    local removed = #body.removed > 0 and "; removed: " .. names(body.removed) or ""
    return ("At saved state %d%s; loaded: %s%s.%s"):format(
      body.checkpoint, where, names(body.names), removed, lacking(body.not_restored)
    )
  end,
  loaded = function(_, _, body)
    return ("Loaded from saved state %d: %s.%s"):format(body.checkpoint, names(body.names), lacking(body.not_restored))
  end,
  checkout_failed = function(_, _, body)
    return "Not done: " .. body.reason
  end,
  save_failed = function(_, _, body)
    return "Not saved: " .. body.reason
  end,
  held = function(_, _, body)
    return ("%d cells wait because the worker died; :Pyshell release runs them."):format(#body.cells)
  end,
  stack = function(_, _, body)
    return body.text
  end,
  notice = function(_, _, body)
    return body.text
  end,
  draft = function(_, _, body)
    return body.code
  end,
}

--- Take an event of a session, nil when the connection is lost.
function M.take(session, event)
  if not event then
    return
  end
  local body = event.body
  if body.kind == "terminal_used" then
    local before = session.drawing
    session.drawing = body.use == "screen" and event.cell or nil
    if session.drawing and not before then
      M.say(session.name, ("(a program draws: see it with pyshell attach -t %s)"):format(session.name))
    end
  elseif body.kind == "output" then
    if not program(session, event) then
      M.write(session.name, body.text)
    end
  elseif SHOWN[body.kind] then
    local text = SHOWN[body.kind](session, event, body)
    if text then
      M.say(session.name, text)
    end
  end
end

return M
