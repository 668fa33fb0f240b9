--- pyshell in Neovim: send code to a session that survives its worker. Each verb of :Pyshell is a function here.

local assist = require("pyshell.assist")
local cells = require("pyshell.cells")
local config = require("pyshell.config")
local marks = require("pyshell.marks")
local output = require("pyshell.output")
local sessions = require("pyshell.session")
local views = require("pyshell.views")

local M = {}

--- Change settings, and set keys and completion in Python buffers.
function M.setup(options)
  for name, value in pairs(options or {}) do
    config[name] = value
  end
  local group = vim.api.nvim_create_augroup("pyshell.buffers", {})
  vim.api.nvim_create_autocmd("FileType", {
    group = group,
    pattern = "python",
    callback = function(event)
      M.enable(event.buf)
    end,
  })
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buffer) and vim.bo[buffer].filetype == "python" then
      M.enable(buffer)
    end
  end
end

local KEYS = {
  { "n", "l", "line" }, { "x", "l", "region" }, { "n", "c", "cell" }, { "n", "n", "next" }, { "n", "b", "buffer" },
  { "n", "o", "output" }, { "n", "i", "interrupt" }, { "n", "v", "variables" }, { "n", "s", "states" },
  { "n", "u", "undo" }, { "n", "k", "document" },
}

--- Keys and completion for one buffer.
function M.enable(buffer)
  if config.completion then
    vim.bo[buffer].omnifunc = "v:lua.require'pyshell'.omnifunc"
  end
  for _, key in ipairs(config.prefix and KEYS or {}) do
    local options = { buffer = buffer, remap = true }
    vim.keymap.set(key[1], config.prefix .. key[2], ("<Plug>(pyshell-%s)"):format(key[3]), options)
  end
end

-- Sessions ---------------------------------------------------------------------------------------------------

--- The name of the session that belongs to a buffer.
function M.name(buffer)
  return vim.b[buffer].pyshell_session or sessions.name_for(cells.project(buffer))
end

--- The buffer's session if this editor is connected to it.
function M.current(buffer)
  return sessions.sessions[M.name(buffer or vim.api.nvim_get_current_buf())]
end

--- Start a session or attach to it, for the current buffer; by default the one of its project.
function M.start(name)
  local buffer = vim.api.nvim_get_current_buf()
  if name then
    vim.b[buffer].pyshell_session = name
  end
  local fresh = not M.current(buffer)
  local session = sessions.open(M.name(buffer), cells.project(buffer))
  if fresh then
    for _, part in ipairs({ output, marks, views }) do
      session:listen(part.take)
    end
    session:listen(M.take)
  end
  return session
end

--- What concerns the person beyond the output window.
function M.take(session, event)
  local body = event and event.body
  if not body then
    return
  elseif body.kind == "input_request" and event.client == session.client then
    session.asked = body
    vim.schedule(function()
      M.input(session)
    end)
  elseif body.kind == "input_done" or body.kind == "finished" then
    session.asked = nil
  elseif body.kind == "died" then
    session:tell(body.exit.reason, vim.log.levels.WARN)
  elseif body.kind == "restored" then
    local lost = #body.not_restored > 0 and ("; %d not restored"):format(#body.not_restored) or ""
    session:tell(("a new worker has %d names again%s; see :Pyshell output"):format(#body.names, lost))
  elseif body.kind == "held" then
    session:tell("the cells that wait are held; :Pyshell release runs them", vim.log.levels.WARN)
  end
end

--- Ask the person for the line that a cell waits for. Escape leaves it waiting.
function M.input(session)
  session = session or M.start()
  local asked = session.asked
  if not asked then
    return session:tell("no cell of this editor waits for input")
  end
  local function answer(text)
    if text and session.asked == asked then
      session:ask("input", { text = text, ["end"] = false })
    elseif session.asked == asked then
      session:tell("the cell waits on; :Pyshell input asks again, :Pyshell interrupt ends it")
    end
  end
  local prompt = asked.prompt ~= "" and asked.prompt or "input: "
  if asked.password then
    answer(vim.fn.inputsecret(prompt))
  else
    vim.ui.input({ prompt = prompt }, answer)
  end
end

-- Sending ----------------------------------------------------------------------------------------------------

--- Run lines of the current buffer, and note the result beside them.
function M.send(first, last)
  local buffer = vim.api.nvim_get_current_buf()
  first, last = cells.trim(buffer, first, last)
  if not first then
    return
  end
  local session = M.start()
  if config.output then
    output.open(session.name)
  end
  local mark = marks.add(session, buffer, first, last)
  local file = vim.api.nvim_buf_get_name(buffer)
  mark.file = file ~= "" and vim.bo[buffer].buftype == "" and file or nil
  mark.code = cells.text(buffer, first, last, not mark.file)
  local request = { code = mark.code, file = mark.file, line = mark.file and first }
  session:request("execute", request, function(err, submitted)
    if submitted then
      mark.cell = submitted.cell
    elseif not sessions.is_loss(err) then
      session:tell(err.message, vim.log.levels.ERROR)
      marks.clear(buffer, first, last)
      return
    end
    marks.draw(mark)
  end)
end

local function row()
  return vim.api.nvim_win_get_cursor(0)[1]
end

--- The line, with the block that it opens; the cursor goes to what follows.
function M.line()
  local first, last = cells.statement(0, row())
  M.send(first, last)
  M.go(last + 1)
end

function M.region(first, last)
  M.send(first or vim.fn.line("'<"), last or vim.fn.line("'>"))
end

function M.cell()
  local first, last = cells.cell(0, row())
  if first then
    M.send(first, last)
  end
  return last
end

--- The cell; the cursor goes to the next one.
function M.next()
  local last = M.cell() or row()
  while last < vim.api.nvim_buf_line_count(0) and not cells.is_mark(0, last) do
    last = last + 1
  end
  M.go(last + 1)
end

function M.buffer()
  M.send(1, vim.api.nvim_buf_line_count(0))
end

function M.go(to)
  vim.api.nvim_win_set_cursor(0, { math.min(to, vim.api.nvim_buf_line_count(0)), 0 })
end

-- Asking -----------------------------------------------------------------------------------------------------

--- For 'omnifunc': the answer comes later, and the menu with it.
function M.omnifunc(findstart)
  if findstart == 1 or findstart == "1" then
    assist.complete(M.current())
    return -2
  end
  return {}
end

function M.document()
  assist.document(M.start())
end

function M.output()
  output.toggle(M.start().name)
end

function M.variables()
  views.variables(M.start())
end

function M.states()
  views.checkpoints(M.start())
end

-- The worker and the session -------------------------------------------------------------------------------

--- Stop the running cell; firmer each time.
function M.interrupt()
  local session = M.start()
  session:ask("interrupt", {}, function(done)
    if done.rung == "nothing" then
      session:tell("no cell runs")
    end
  end)
end

--- Start another worker: with the newest state, or with nothing.
function M.restart(fresh)
  M.start():ask("restart", { fresh = fresh == true })
end

--- Save the state now, under a label if one is given.
function M.save(label)
  local session = M.start()
  session:ask("save", { label = label }, function()
    session:tell(label and ('saved as "%s"'):format(label) or "saved")
  end)
end

function M.undo()
  M.start():ask("undo", {})
end

function M.redo()
  M.start():ask("redo", {})
end

--- Run the cells that wait since the worker died.
function M.release()
  M.start():ask("release", {})
end

--- Take the results of this buffer away from beside the code.
function M.clear()
  marks.clear(vim.api.nvim_get_current_buf())
end

--- Leave the session running.
function M.detach()
  local session = M.current()
  if session then
    session:detach()
  end
end

--- End the session; what is saved stays.
function M.kill()
  local session = M.start()
  session:ask("kill", {}, function()
    session.over = true
    if session.bridge then
      session.bridge:stop()
    end
  end)
end

return M
