--- A session as this editor sees it: connected again whenever the connection ends, and every event once.

local bridge = require("pyshell.bridge")
local config = require("pyshell.config")

local M = { sessions = {} }
local Session = {}
Session.__index = Session

--- Milliseconds before each try to connect again; the last one is repeated.
local DELAYS = { 0, 200, 500, 1000, 2000, 5000 }
local TRIES = 20
--- Who this editor is in the session's events.
local CLIENT = "neovim " .. vim.fn.getpid()

--- The name that `pyshell` gives a session of a directory.
function M.name_for(directory)
  local name = vim.fn.fnamemodify(directory, ":t"):gsub("[^%w_.-]+", "-"):gsub("^[.-]+", ""):gsub("[.-]+$", "")
  return name ~= "" and name:sub(1, 64) or "main"
end

--- The session of that name; it is started or attached to if this editor is not connected.
function M.open(name, directory)
  local session = M.sessions[name]
  if not session then
    session = setmetatable({ name = name, directory = directory, client = CLIENT, cells = {}, listeners = {} }, Session)
    session.seen = session:_read_seen()
    session.waiting = {}
    M.sessions[name] = session
  end
  if not session.bridge then
    session.tries = 0
    session:_connect()
  end
  return session
end

--- Call `listener(session, event)` for each event from here on, and `listener(session, nil)` when the connection is lost.
function Session:listen(listener)
  table.insert(self.listeners, listener)
end

--- Ask; `reply(err, result)`. Without a connection it is asked when there is one again.
function Session:request(method, params, reply)
  if self.ready then
    return self.bridge:request(method, params, reply)
  end
  table.insert(self.waiting, function()
    self.bridge:request(method, params, reply)
  end)
end

--- Ask, and tell the person if it went wrong.
function Session:ask(method, params, reply)
  return self:request(method, params, function(err, result)
    if err and not M.is_loss(err) then
      self:tell(err.message, vim.log.levels.ERROR)
    elseif reply and not err then
      reply(result)
    end
  end)
end

--- Whether a request failed because the connection did, which is told anyway.
function M.is_loss(err)
  return err.data ~= nil and err.data.kind == "ConnectionLost"
end

function Session:cancel(id)
  if id and self.bridge then
    self.bridge:cancel(id)
  end
end

function Session:tell(text, level)
  vim.notify(("pyshell %s: %s"):format(self.name, text), level or vim.log.levels.INFO)
end

--- Leave the session running.
function Session:detach()
  self.leaving = true
  self:_write_seen()
  M.sessions[self.name] = nil
  if self.bridge then
    self.bridge:stop()
  end
end

function Session:_connect()
  local command = vim.list_extend(vim.deepcopy(config.command), { "serve", self.name, "--stdio" })
  if config.python then
    vim.list_extend(command, { "--python", config.python })
  end
  local process, problem
  process, problem = bridge.start(command, self.directory, {
    notification = function(method, params)
      if method == "event" then
        self:_take(params)
      elseif method == "ended" then -- by somebody, or the host died: then there is one again when we connect
        self.over = params.kind == "SessionStopped"
        self.bridge:stop()
      end
    end,
    exit = function(code, stderr)
      if self.bridge == process then
        self:_lost(code, stderr)
      end
    end,
  })
  if not process then
    M.sessions[self.name] = nil
    return self:tell(problem, vim.log.levels.ERROR)
  end
  self.bridge = process
  local first = self.seen and self.seen + 1 or nil
  process:request("initialize", { client = self.client, subscribe = first }, function(err, result)
    if err then
      self.problem = err.message
      return process:stop()
    end
    self:_connected(result)
  end)
end

function Session:_connected(answer)
  local again = self.connected
  self.connected, self.ready, self.tries, self.problem = true, true, 0, nil
  self.pid = answer.status.pid
  self:tell(again and "connected again" or "connected")
  local newest = answer.status.last_event
  if not self.seen or self.seen > newest then
    -- What was before this editor came is for the console to tell; but another session of a known name is all new.
    self.seen = self.seen and 0 or newest
    self.bridge:request("subscribe", { from = self.seen + 1 }, function() end)
  end
  local waiting = self.waiting
  self.waiting = {}
  for _, ask in ipairs(waiting) do
    ask()
  end
end

function Session:_lost(code, stderr)
  local problem = self.problem or stderr:match("[^\n]*$")
  self.bridge, self.ready = nil, false
  if self.leaving or vim.v.exiting ~= vim.NIL then
    return
  end
  for _, listener in ipairs(self.listeners) do
    listener(self, nil)
  end
  if self.over or not self.connected or self.tries >= TRIES then
    M.sessions[self.name] = nil
    local why = self.over and "the session has ended; what is saved stays"
      or ("not connected (%s)"):format(problem ~= "" and problem or "exit status " .. code)
    return self:tell(why .. "; :Pyshell start connects again", vim.log.levels.WARN)
  end
  self.tries = self.tries + 1
  if self.tries == 1 then
    self:tell("the connection was lost; connecting again", vim.log.levels.WARN)
  end
  vim.defer_fn(function()
    if not self.bridge and not self.leaving then
      self:_connect()
    end
  end, DELAYS[math.min(self.tries, #DELAYS)])
end

function Session:_take(event)
  if self.seen and event.seq <= self.seen then
    return -- told twice, around a reconnection
  end
  self.seen = event.seq
  local change = M.changes[event.body.kind]
  if change then
    change(self, event, event.body)
  end
  for _, listener in ipairs(self.listeners) do
    listener(self, event)
  end
  self:_remember_seen()
end

--- What an event means for what is known of the session and its cells.
M.changes = {
  queued = function(session, event, body)
    session.cells[event.cell] = { status = "queued", code = body.code, client = event.client }
    session.cells[event.cell - 1000] = nil
  end,
  started = function(session, event)
    M.cell(session, event.cell).status = "running"
  end,
  result = function(session, event, body)
    M.cell(session, event.cell).result = body.text
  end,
  error = function(session, event, body)
    M.cell(session, event.cell).error = body.error
  end,
  input_request = function(session, event)
    M.cell(session, event.cell).status = "waiting for input"
  end,
  input_done = function(session, event)
    M.cell(session, event.cell).status = "running"
  end,
  died = function(session, event, body)
    session.died = body.exit
    if body.exit.cell then
      M.cell(session, body.exit.cell).died = body.exit
    end
  end,
  finished = function(session, event, body)
    local cell = M.cell(session, event.cell)
    cell.status, cell.seconds = body.status, body.seconds
  end,
  state_changed = function(session, _, body)
    session.state, session.pid = body.state, body.pid
  end,
}

--- What is known of a cell: status, result, error, seconds.
function M.cell(session, number)
  session.cells[number] = session.cells[number] or {}
  return session.cells[number]
end

-- What was seen is kept, so that the next editor shows what was missed in between.

function Session:_seen_file()
  return vim.fn.stdpath("data") .. "/pyshell/" .. self.name
end

function Session:_read_seen()
  local file = io.open(self:_seen_file())
  local seen = file and tonumber(file:read("*a"))
  if file then
    file:close()
  end
  return seen
end

function Session:_write_seen()
  vim.fn.mkdir(vim.fn.stdpath("data") .. "/pyshell", "p")
  local file = self.seen and io.open(self:_seen_file(), "w")
  if file then
    file:write(self.seen)
    file:close()
  end
end

function Session:_remember_seen()
  if not self.remembering then
    self.remembering = true
    vim.defer_fn(function()
      self.remembering = false
      self:_write_seen()
    end, 1000)
  end
end

--- Before the editor ends.
function M.leave()
  for _, session in pairs(M.sessions) do
    session:detach()
  end
end

return M
