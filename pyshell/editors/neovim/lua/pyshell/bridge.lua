--- One `pyshell serve` process and the JSON-RPC 2.0 that it speaks, a message per line.

local NO_NULLS = { luanil = { object = true, array = true } }
--- Call; what one message breaks must not cost the ones behind it.
local function safely(called, ...)
  local done, problem = xpcall(called, debug.traceback, ...)
  if not done then
    vim.notify("pyshell: " .. problem, vim.log.levels.ERROR)
  end
end

local Bridge = {}
Bridge.__index = Bridge

--- Start the process. `on.notification(method, params)` hears what it says by itself; `on.exit(code, stderr)` comes
--- once, after every open request was answered with an error. Returns nil and a sentence if it cannot be started.
local function start(command, cwd, on)
  local bridge = setmetatable({ on = on, pending = {}, newest = 0, rest = "", stderr = "" }, Bridge)
  local options = {
    cwd = cwd,
    on_stdout = function(_, data)
      bridge:_take(data)
    end,
    on_stderr = function(_, data)
      bridge.stderr = (bridge.stderr .. table.concat(data, "\n")):sub(-4000)
    end,
    on_exit = function(_, code)
      bridge:_end(code)
    end,
  }
  local started, job = pcall(vim.fn.jobstart, command, options)
  if not started or job <= 0 then
    return nil, ('%s cannot be started; say where it is: require("pyshell").setup({ command = { … } })'):format(command[1])
  end
  bridge.job = job
  return bridge
end

--- Ask; `reply(err, result)` is called once, also when the process ends first. Returns the request's id.
function Bridge:request(method, params, reply)
  self.newest = self.newest + 1
  local id = self.newest
  self.pending[id] = reply
  self:_send({ jsonrpc = "2.0", id = id, method = method, params = params })
  return id
end

--- Take a request back: its answer is of no use any more.
function Bridge:cancel(id)
  if self.pending[id] then
    self:_send({ jsonrpc = "2.0", method = "$/cancelRequest", params = { id = id } })
  end
end

--- End the process; the session goes on without it.
function Bridge:stop()
  vim.fn.jobstop(self.job)
end

function Bridge:_send(message)
  if next(message.params) == nil then
    message.params = vim.empty_dict()
  end
  -- A job that has just ended refuses; its exit answers what is pending.
  pcall(vim.fn.chansend, self.job, vim.json.encode(message) .. "\n")
end

function Bridge:_take(data)
  data[1] = self.rest .. data[1]
  self.rest = table.remove(data)
  for _, line in ipairs(data) do
    safely(self._read, self, line)
  end
end

function Bridge:_read(line)
  local decoded, message = pcall(vim.json.decode, line, NO_NULLS)
  if not decoded then -- half a surrogate pair, which Python can print and this parser does not take
    message = vim.json.decode((line:gsub("\\u[dD][89a-fA-F]%x%x", "\\ufffd")), NO_NULLS)
  end
  if message.method then
    self.on.notification(message.method, message.params)
    return
  end
  local reply = self.pending[message.id]
  self.pending[message.id] = nil
  if reply then
    reply(message.error, message.result)
  end
end

function Bridge:_end(code)
  local pending = self.pending
  self.pending = {}
  for _, reply in pairs(pending) do
    safely(reply, { message = "the connection to the session was lost", data = { kind = "ConnectionLost" } })
  end
  self.on.exit(code, vim.trim(self.stderr))
end

return { start = start }
