--- The command :Pyshell, the <Plug> mappings and the colours. Nothing else is loaded before one of them is used.

if vim.g.loaded_pyshell then
  return
end
vim.g.loaded_pyshell = true

local VERBS = {
  "buffer", "cell", "clear", "detach", "document", "input", "interrupt", "kill", "line", "next", "output", "redo",
  "region", "release", "restart", "save", "start", "states", "undo", "variables",
}

--- What follows the verb, as its function takes it.
local function arguments(verb, given, command)
  if verb == "region" then
    return { command.line1, command.line2 }
  elseif verb == "restart" then
    return { given == "fresh" or command.bang }
  elseif (verb == "save" or verb == "start") and given ~= "" then
    return { given }
  end
  return {}
end

vim.api.nvim_create_user_command("Pyshell", function(command)
  local verb, given = command.args:match("^(%S*)%s*(.-)%s*$")
  verb = verb ~= "" and verb or "start"
  if not vim.tbl_contains(VERBS, verb) then
    return vim.notify(("pyshell: no %q; there are %s"):format(verb, table.concat(VERBS, ", ")), vim.log.levels.ERROR)
  end
  require("pyshell")[verb](unpack(arguments(verb, given, command)))
end, {
  nargs = "*",
  bang = true,
  range = true,
  desc = "Talk to a pyshell session",
  complete = function(typed)
    return vim.tbl_filter(function(verb)
      return vim.startswith(verb, typed)
    end, VERBS)
  end,
})

for _, verb in ipairs(VERBS) do
  vim.keymap.set("n", ("<Plug>(pyshell-%s)"):format(verb), ("<Cmd>Pyshell %s<CR>"):format(verb))
end
vim.keymap.set("x", "<Plug>(pyshell-region)", ":Pyshell region<CR>", { silent = true })

for name, link in pairs({
  PyshellPending = "Comment",
  PyshellDone = "Comment",
  PyshellResult = "String",
  PyshellError = "ErrorMsg",
}) do
  vim.api.nvim_set_hl(0, name, { link = link, default = true })
end

vim.api.nvim_create_autocmd("VimLeavePre", {
  group = vim.api.nvim_create_augroup("pyshell.leave", {}),
  callback = function()
    if package.loaded["pyshell.session"] then
      require("pyshell.session").leave()
    end
  end,
})
