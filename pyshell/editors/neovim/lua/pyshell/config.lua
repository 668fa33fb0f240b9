--- What `require("pyshell").setup()` can change.

return {
  --- How pyshell is started; a list of the program and its first arguments.
  command = { "pyshell" },
  --- The interpreter of sessions that are started, or its environment; nil: pyshell's own choice.
  python = nil,
  --- What marks the top of a project, whose directory names the session and is where it starts.
  roots = { ".git", "pyproject.toml", "setup.py", "setup.cfg", ".venv" },
  --- Before every key of the buffer's mappings; false for none.
  prefix = "<LocalLeader>",
  --- Set omnifunc in Python buffers.
  completion = true,
  --- Open the output window when code is sent.
  output = true,
  --- Its height in lines, and how many lines it keeps.
  height = 12,
  max_lines = 100000,
  --- How long a result beside the code may be, in characters.
  mark_width = 80,
}
