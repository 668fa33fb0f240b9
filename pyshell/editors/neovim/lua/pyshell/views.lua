--- Lists of a session's variables and of its saved states, each in a window of its own.

local assist = require("pyshell.assist")

local M = {}
local open = {} -- views that renew themselves, by buffer
local PAGE = 1000

--- A scratch buffer of that name in a window; made or found again.
local function window(name, session, keys)
  local buffer = vim.fn.bufnr("^" .. name .. "$")
  if buffer == -1 then
    buffer = vim.api.nvim_create_buf(false, true)
    vim.api.nvim_buf_set_name(buffer, name)
    vim.bo[buffer].bufhidden = "wipe"
    vim.bo[buffer].filetype = "pyshell-view"
  end
  vim.b[buffer].pyshell_session = session.name
  if vim.fn.bufwinid(buffer) == -1 then
    vim.cmd("botright vsplit")
    vim.api.nvim_win_set_buf(0, buffer)
    vim.wo.wrap, vim.wo.number = false, false
  else
    vim.api.nvim_set_current_win(vim.fn.bufwinid(buffer))
  end
  vim.keymap.set("n", "q", "<cmd>close<cr>", { buffer = buffer, nowait = true })
  for key, action in pairs(keys) do
    vim.keymap.set("n", key, function()
      action(vim.api.nvim_win_get_cursor(0)[1])
    end, { buffer = buffer, nowait = true })
  end
  return buffer
end

local function fill(buffer, lines)
  if vim.api.nvim_buf_is_valid(buffer) then
    vim.bo[buffer].modifiable = true
    vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
    vim.bo[buffer].modifiable, vim.bo[buffer].modified = false, false
  end
end

local function one_line(text)
  return (text:gsub("%s*\n%s*", " "))
end

local function renew_variables(buffer, session)
  session:ask("variables", { start = 0, count = PAGE }, function(page)
    local lines = { ("%-20s %-14s %-12s %9s  %s"):format("name", "type", "shape", "size", "value") }
    for _, found in ipairs(page.variables) do
      local mark = found.saved and "" or "  ! not saved: " .. found.reason
      local size = found.size > 0 and assist.size(found.size) or ""
      local line = ("%-20s %-14s %-12s %9s  %s%s"):format(found.name, found.type, found.shape, size, found.preview, mark)
      table.insert(lines, one_line(line))
    end
    if page.more > 0 then
      table.insert(lines, ("… and %d more"):format(page.more))
    end
    if page.answered ~= "live" then
      table.insert(lines, "(as of the last cell: the worker cannot answer at the moment)")
    end
    fill(buffer, lines)
  end)
end

--- The variables; the list follows what the cells do. Enter shows what is in one.
function M.variables(session)
  local buffer
  buffer = window("pyshell-variables://" .. session.name, session, {
    r = function()
      renew_variables(buffer, session)
    end,
    ["<CR>"] = function(row)
      local name = row > 1 and vim.api.nvim_buf_get_lines(buffer, row - 1, row, false)[1]:match("^%S+")
      if name then
        M.children(session, name)
      end
    end,
  })
  open[buffer] = { session = session, renew = renew_variables }
  renew_variables(buffer, session)
end

--- What a value consists of.
function M.children(session, path)
  session:ask("children", { path = path, start = 0, count = 200 }, function(page)
    if not page.found or #page.children == 0 then
      return session:tell(path .. " has nothing in it to show")
    end
    local paths = {}
    local lines = { ("%s: %d items"):format(path, page.total) }
    for _, child in ipairs(page.children) do
      table.insert(paths, child.path)
      local line = ("%-24s %-14s %-12s  %s"):format(child.name, child.type, child.shape, child.preview)
      table.insert(lines, one_line(line))
    end
    local buffer = window("pyshell-value://" .. session.name, session, {
      ["<CR>"] = function(row)
        if (paths[row - 1] or "") ~= "" then
          M.children(session, paths[row - 1])
        end
      end,
    })
    fill(buffer, lines)
  end)
end

local function renew_checkpoints(buffer, session)
  session:ask("checkpoints", {}, function(found)
    local lines = { "Enter: go there   L: label   u: undo   U: redo   r: read again   q: close" }
    for i = #found.checkpoints, 1, -1 do
      local saved = found.checkpoints[i]
      table.insert(lines, one_line(("%s %4d  %s  %-8s %4d names  %9s  %s"):format(
        saved.head and "*" or " ", saved.checkpoint, os.date("%H:%M:%S", saved.time),
        saved.cell and ("In[%d]"):format(saved.cell) or "", saved.names, assist.size(saved.written), saved.label or ""
      )))
    end
    fill(buffer, lines)
  end)
end

--- The saved states, newest first.
function M.checkpoints(session)
  local buffer
  local function chosen(row)
    return tonumber(vim.api.nvim_buf_get_lines(buffer, row - 1, row, false)[1]:match("^[* ]%s+(%d+)"))
  end
  buffer = window("pyshell-states://" .. session.name, session, {
    r = function()
      renew_checkpoints(buffer, session)
    end,
    u = function()
      session:ask("undo", {})
    end,
    U = function()
      session:ask("redo", {})
    end,
    ["<CR>"] = function(row)
      if chosen(row) then
        session:ask("restore", { checkpoint = chosen(row) })
      end
    end,
    L = function(row)
      local number = chosen(row)
      if not number then
        return
      end
      vim.ui.input({ prompt = ("Label of saved state %d: "):format(number) }, function(label)
        if label then
          session:ask("label", { checkpoint = number, label = label ~= "" and label or nil }, function()
            renew_checkpoints(buffer, session)
          end)
        end
      end)
    end,
  })
  open[buffer] = { session = session, renew = renew_checkpoints }
  renew_checkpoints(buffer, session)
end

local RENEWING = { finished = true, saved = true, restored = true, checked_out = true, loaded = true }

--- Take an event: views that are open follow.
function M.take(session, event)
  for buffer, view in pairs(open) do
    if not vim.api.nvim_buf_is_valid(buffer) then
      open[buffer] = nil
    elseif event and view.session == session and RENEWING[event.body.kind] and not view.renewing then
      view.renewing = true -- a burst of cells asks once
      vim.defer_fn(function()
        view.renewing = false
        if session.ready and vim.api.nvim_buf_is_valid(buffer) then
          view.renew(buffer, session)
        end
      end, 200)
    end
  end
end

return M
