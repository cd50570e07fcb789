-- What the server says and asks. Each returns at once, but for `approval/request` and `question/request`: their
-- coroutines wait for the person.

---@type table<string, lsp.Handler>
return {
  ['session/event'] = function(_, params, ctx)
    local server = require('pillion.client').by_client(ctx.client_id)
    local session = server and server.sessions[params.sessionId]
    if session then
      session:on_event(params.seq, params.event)
    end
  end,

  ['approval/request'] = function(_, params, ctx)
    local server = require('pillion.client').by_client(ctx.client_id)
    if not server then
      return nil, vim.lsp.rpc_response_error(vim.lsp.protocol.ErrorCodes.RequestCancelled)
    end
    return require('pillion.approval').ask(server, params.approval)
  end,

  ['question/request'] = function(_, params, ctx)
    local server = require('pillion.client').by_client(ctx.client_id)
    if not server then
      return nil, vim.lsp.rpc_response_error(vim.lsp.protocol.ErrorCodes.RequestCancelled)
    end
    return require('pillion.question').ask(server, params.question)
  end,

  ['editor/diagnostics'] = function(_, params, ctx)
    local client = assert(vim.lsp.get_client_by_id(ctx.client_id))
    return require('pillion.diagnostics').read(client, params)
  end,

  ['editor/context'] = function(_, _, ctx)
    local client = assert(vim.lsp.get_client_by_id(ctx.client_id))
    return require('pillion.context').read(client)
  end,

  ['editor/save'] = function(_, params)
    return { failed = require('pillion.edit').save(params.uris) }
  end,

  ['workspace/applyEdit'] = function(_, params, ctx)
    local client = assert(vim.lsp.get_client_by_id(ctx.client_id))
    return require('pillion.edit').apply(client, params)
  end,
}
