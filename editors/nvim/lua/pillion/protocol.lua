-- Generated from src/protocol by `cargo test generated`. Do not edit.

---Starts a session.
---@class pillion.SessionNewParams
---@field limits? pillion.Limits
---@field mode? pillion.Mode
---@field model? string `provider/model`; the configured default when absent.
---@field roots? string[] Folders the session works in, as paths or `file:` URIs; the editor's workspace folders when absent.

---What a turn may use up. Absent means the configured default.
---@class pillion.Limits
---@field maxTokens? integer The most tokens of one model call.
---@field temperature? number Sampling temperature, as the provider defines it: 0 to 2.
---@field thinkingTokens? integer Tokens the model may reason with before it answers; 0 switches reasoning off.
---@field turnLimit? integer The most model calls in one turn (default 50).

---How much happens without asking.
---@alias pillion.Mode
---| "ask" # Reading inside the roots is allowed, everything else asks.
---| "acceptEdits" # Edits inside the roots are allowed too, except to files that other programs run.
---| "plan" # Nothing that changes anything may run.
---| "auto" # Everything inside the roots is allowed; what leaves them asks, and so do edits to files that other programs run.

---A session as it is now.
---@class pillion.SessionInfo
---@field sessionId string
---@field title string The first words of its first prompt; empty before that.
---@field roots string[] Absolute paths.
---@field model string `provider/model`.
---@field mode pillion.Mode
---@field limits pillion.Limits
---@field lastSeq integer The number of its latest event; 0 before the first.
---@field createdAt integer Seconds since 1970-01-01T00:00:00Z.
---@field updatedAt integer Seconds since 1970-01-01T00:00:00Z.
---@field usage pillion.Usage Over all its turns.
---@field turnId? string The turn that runs now.

---Tokens, summed over what it stands for. A count that the provider did not give is absent, which is not zero.
---@class pillion.Usage
---@field cacheReadTokens? integer Prompt tokens read from the provider's cache.
---@field cacheWriteTokens? integer Prompt tokens written to the provider's cache.
---@field inputTokens? integer Prompt tokens that were neither read from nor written to a cache.
---@field outputTokens? integer Generated tokens, reasoning included.
---@field reasoningTokens? integer The part of `outputTokens` that was reasoning.

---Lists sessions, the latest used first.
---@class pillion.SessionListParams
---@field cursor? string `nextCursor` of the page before.
---@field limit? integer The most to return (default 50, at most 500).
---@field root? string Only sessions that work in this folder (a path or a `file:` URI).

---A page of sessions.
---@class pillion.SessionListResponse
---@field sessions pillion.SessionInfo[]
---@field nextCursor? string Present if there are more.

---Opens a stored or running session and watches it.
---@class pillion.SessionLoadParams
---@field sessionId string
---@field fromSeq? integer Replays the events from this number on (1 for all), before any new one. Without it nothing is replayed.

---Stops watching a session. Its turn is cancelled when nobody watches it any more; its log stays.
---@class pillion.SessionCloseParams
---@field sessionId string

---Nothing more to say.
---@class pillion.Empty

---Changes a session's settings: the mode at once, the rest from the next turn on. What is absent stays.
---@class pillion.SessionConfigureParams
---@field sessionId string
---@field limits? pillion.Limits
---@field mode? pillion.Mode
---@field model? string

---Starts a turn. Answers at once; what happens arrives as `session/event`.
---@class pillion.TurnStartParams
---@field sessionId string
---@field prompt pillion.ContentBlock[]

---A part of a prompt.
---@alias pillion.ContentBlock
---| pillion.ContentBlock.Text
---| pillion.ContentBlock.Image
---| pillion.ContentBlock.Selection

---Plain text.
---@class pillion.ContentBlock.Text
---@field type "text"
---@field text string

---An image, base64-encoded.
---@class pillion.ContentBlock.Image
---@field type "image"
---@field mediaType string For example `image/png`.
---@field data string Standard base64 with padding.

---Lines of a file or buffer that the person pointed at, as they are on the screen.
---@class pillion.ContentBlock.Selection
---@field type "selection"
---@field path string A path or a `file:` or `untitled:` URI.
---@field startLine integer From 1.
---@field endLine integer From 1, inclusive.
---@field text string

---The turn that was started.
---@class pillion.TurnStartResponse
---@field turnId string

---Says something to the running turn. It reaches the model before its next call.
---@class pillion.TurnSteerParams
---@field sessionId string
---@field prompt pillion.ContentBlock[]

---Stops the running turn, its processes and its approvals. `turnEnded` follows within a second.
---@class pillion.TurnCancelParams
---@field sessionId string

---Whether there was a turn to stop.
---@class pillion.TurnCancelResponse
---@field cancelled boolean

---Answers an approval that any client was shown.
---@class pillion.ApprovalRespondParams
---@field approvalId string
---@field decision pillion.ApprovalDecision

---What the person says.
---@alias pillion.ApprovalDecision
---| pillion.ApprovalDecision.Allow
---| pillion.ApprovalDecision.Deny
---| pillion.ApprovalDecision.CancelTurn

---Run it.
---@class pillion.ApprovalDecision.Allow
---@field type "allow"
---@field hunks? integer[] Only these hunks of the diff, by index from 0.
---@field input? any Run it with this input instead.
---@field scope? pillion.ApprovalScope

---Do not run it. The model reads the reason.
---@class pillion.ApprovalDecision.Deny
---@field type "deny"
---@field reason? string

---Do not run it, and stop the turn.
---@class pillion.ApprovalDecision.CancelTurn
---@field type "cancelTurn"

---How long an allowance lasts.
---@alias pillion.ApprovalScope
---| "once" # This call only.
---| "session" # Calls that match the approval's rules, until the session is closed.
---| "project" # The same, kept for this project in the user's configuration folder.
---| "user" # The same, kept for all projects of this user.

---Whether this answer was the first. If not, the approval had been resolved before.
---@class pillion.ApprovalRespondResponse
---@field accepted boolean

---Lists the models that can be chosen.
---@class pillion.ModelListParams

---
---@class pillion.ModelListResponse
---@field models pillion.ModelInfo[]
---@field default? string The model a new session gets; absent if none is configured.

---A model that can be chosen.
---@class pillion.ModelInfo
---@field id string `provider/model`, as `session/configure` takes it.
---@field provider string
---@field ready boolean False if its key is missing; `hint` then says what to set.
---@field hint? string

---The request that puts an [`Approval`] before the person.
---@class pillion.ApprovalRequestParams
---@field approval pillion.Approval

---A call that waits for the person. It has an id, outlives a reconnect, and the first answer wins.
---@class pillion.Approval
---@field approvalId string
---@field sessionId string
---@field turnId string
---@field callId string
---@field tool string
---@field input any What the tool would be given.
---@field class pillion.ToolClass
---@field title string One line for a person, for example `Edit src/main.rs`.
---@field paths string[] Absolute paths it would touch.
---@field outside boolean True if one of them lies outside the session's roots.
---@field rules string[] The rules that would silence this call, as they would be stored by `scope` `session`, `project` or `user`.
---@field command? string The command line, if it would run one.
---@field diff? pillion.FileDiff What would change, if it would edit.
---@field risk? string Why this one deserves a closer look.

---What a call may touch.
---@alias pillion.ToolClass
---| "read" # Looks, changes nothing.
---| "edit" # Changes files or buffers, in a way that can be undone.
---| "execute" # Runs a program.
---| "network" # Reaches the network.

---A change of one file, as text for people and in pieces to choose from.
---@class pillion.FileDiff
---@field path string Absolute path, or the URI of an untitled buffer.
---@field unified string Unified diff with three lines of context and `a/`, `b/` headers.
---@field hunks pillion.Hunk[] In the order of the file. An approval may allow some of them by index, from 0.

---One contiguous piece of a diff. Lines are counted from 1, as in a unified diff's header.
---@class pillion.Hunk
---@field oldStart integer
---@field oldLines integer
---@field newStart integer
---@field newLines integer
---@field text string The hunk's lines, each with its ` `, `-` or `+`.

---Asks the editor to save these buffers, because a command is about to read the disk.
---@class pillion.EditorSaveParams
---@field uris string[]

---Which buffers could not be saved.
---@class pillion.EditorSaveResponse
---@field failed? string[]

---A fact in a session's log, as clients get it.
---@class pillion.SessionEventNotification
---@field sessionId string
---@field seq integer From 1, without gaps.
---@field event pillion.SessionEvent

---What happened. The last event of a turn is `turnEnded`, exactly once, and nothing of the turn follows it.
---@alias pillion.SessionEvent
---| pillion.SessionEvent.TurnStarted
---| pillion.SessionEvent.TurnSteered
---| pillion.SessionEvent.MessageDelta
---| pillion.SessionEvent.ReasoningDelta
---| pillion.SessionEvent.ToolCall
---| pillion.SessionEvent.ApprovalRequested
---| pillion.SessionEvent.ApprovalResolved
---| pillion.SessionEvent.ToolProgress
---| pillion.SessionEvent.ToolResult
---| pillion.SessionEvent.Usage
---| pillion.SessionEvent.Retry
---| pillion.SessionEvent.SessionConfigured
---| pillion.SessionEvent.Notice
---| pillion.SessionEvent.TurnEnded

---A turn began with this prompt.
---@class pillion.SessionEvent.TurnStarted
---@field type "turnStarted"
---@field turnId string
---@field prompt pillion.ContentBlock[]

---The person said this to the running turn.
---@class pillion.SessionEvent.TurnSteered
---@field type "turnSteered"
---@field prompt pillion.ContentBlock[]

---More of the model's answer. Adjacent pieces may arrive as one.
---@class pillion.SessionEvent.MessageDelta
---@field type "messageDelta"
---@field text string

---More of the model's reasoning.
---@class pillion.SessionEvent.ReasoningDelta
---@field type "reasoningDelta"
---@field text string

---The model asked for a tool. Whole, never partial JSON.
---@class pillion.SessionEvent.ToolCall
---@field type "toolCall"
---@field callId string
---@field tool string
---@field input any
---@field class pillion.ToolClass
---@field title string

---A call waits for the person.
---@class pillion.SessionEvent.ApprovalRequested
---@field type "approvalRequested"
---@field approval pillion.Approval

---It waits no more: close what shows it.
---@class pillion.SessionEvent.ApprovalResolved
---@field type "approvalResolved"
---@field approvalId string
---@field outcome pillion.ApprovalOutcome

---More of a running call's output.
---@class pillion.SessionEvent.ToolProgress
---@field type "toolProgress"
---@field callId string
---@field offset integer Where `text` begins, in bytes of the call's whole output.
---@field text string

---A call ended.
---@class pillion.SessionEvent.ToolResult
---@field type "toolResult"
---@field callId string
---@field status pillion.ToolStatus
---@field text string What the model reads; images are left out.
---@field diff? pillion.FileDiff What changed.

---One model call's tokens, and the turn's so far.
---@class pillion.SessionEvent.Usage
---@field type "usage"
---@field round pillion.Usage
---@field turn pillion.Usage

---A model call failed before any output was shown and will be tried again.
---@class pillion.SessionEvent.Retry
---@field type "retry"
---@field attempt integer The number of the try that comes next, from 2.
---@field delayMs integer
---@field error string What failed.

---The session's settings changed.
---@class pillion.SessionEvent.SessionConfigured
---@field type "sessionConfigured"
---@field model string
---@field mode pillion.Mode
---@field limits pillion.Limits

---Something the person should know.
---@class pillion.SessionEvent.Notice
---@field type "notice"
---@field level pillion.NoticeLevel
---@field message string

---The turn is over.
---@class pillion.SessionEvent.TurnEnded
---@field type "turnEnded"
---@field turnId string
---@field stopReason pillion.TurnStopReason
---@field usage pillion.Usage Summed over the turn.
---@field error? string What failed, and what to do.

---How an approval was resolved.
---@alias pillion.ApprovalOutcome
---| pillion.ApprovalOutcome.Allowed
---| pillion.ApprovalOutcome.Denied
---| pillion.ApprovalOutcome.Cancelled

---The person allowed it.
---@class pillion.ApprovalOutcome.Allowed
---@field type "allowed"
---@field scope pillion.ApprovalScope

---The person refused.
---@class pillion.ApprovalOutcome.Denied
---@field type "denied"
---@field reason? string

---The turn ended before anybody answered.
---@class pillion.ApprovalOutcome.Cancelled
---@field type "cancelled"

---How a call ended.
---@alias pillion.ToolStatus
---| "ok"
---| "failed"
---| "denied"
---| "cancelled"

---How much a notice matters.
---@alias pillion.NoticeLevel
---| "info"
---| "warning"
---| "error"

---Why a turn ended.
---@alias pillion.TurnStopReason
---| "stopSequence"
---| "endTurn" # The model had said what it wanted to say.
---| "maxTokens" # The answer was cut at the token limit.
---| "refusal" # The model, or a filter of the provider, declined.
---| "turnLimit" # The turn used up its model calls; a new prompt goes on from here.
---| "cancelled" # The person stopped it.
---| "error" # It failed; `error` says how.
---| "interrupted" # The process ended in the middle of it.

---What a client says under `capabilities.experimental.pillion` of `initialize`. What it does not declare is done by standard LSP means.
---@class pillion.ClientCapabilities
---@field approvalRequest? boolean It answers `approval/request`; else approvals are `window/showMessageRequest`.
---@field editorSave? boolean It answers `editor/save`; else commands that see stale files say so.
---@field sessionEvent? boolean It shows `session/event`; else a turn is shown by `$/progress` and its answer by `window/showMessage`.

local M = {}

---Changes when a client written for the one before would break.
M.VERSION = 1

---Starts a session and watches it.
---Request to the server: `pillion.SessionNewParams` -> `pillion.SessionInfo`
M.SESSION_NEW = 'session/new'

---Lists stored and running sessions, the latest used first.
---Request to the server: `pillion.SessionListParams` -> `pillion.SessionListResponse`
M.SESSION_LIST = 'session/list'

---Opens a stored or running session and watches it; replays its events from `fromSeq` on. Open approvals are asked again.
---Request to the server: `pillion.SessionLoadParams` -> `pillion.SessionInfo`
M.SESSION_LOAD = 'session/load'

---Stops watching a session. When nobody watches it any more, its turn is cancelled. Its log stays.
---Request to the server: `pillion.SessionCloseParams` -> `pillion.Empty`
M.SESSION_CLOSE = 'session/close'

---Changes model, mode or limits: the mode at once, the rest from the next turn on.
---Request to the server: `pillion.SessionConfigureParams` -> `pillion.SessionInfo`
M.SESSION_CONFIGURE = 'session/configure'

---Starts a turn and answers at once. One turn runs at a time in a session.
---Request to the server: `pillion.TurnStartParams` -> `pillion.TurnStartResponse`
M.TURN_START = 'turn/start'

---Says something to the running turn.
---Request to the server: `pillion.TurnSteerParams` -> `pillion.Empty`
M.TURN_STEER = 'turn/steer'

---Stops the running turn. Answers at once; its processes are gone within a second.
---Request to the server: `pillion.TurnCancelParams` -> `pillion.TurnCancelResponse`
M.TURN_CANCEL = 'turn/cancel'

---Answers an approval. The first answer wins.
---Request to the server: `pillion.ApprovalRespondParams` -> `pillion.ApprovalRespondResponse`
M.APPROVAL_RESPOND = 'approval/respond'

---Lists the models that can be chosen.
---Request to the server: `pillion.ModelListParams` -> `pillion.ModelListResponse`
M.MODEL_LIST = 'model/list'

---Puts a call before the person. Withdrawn by `$/cancelRequest` when it was answered elsewhere or the turn ended.
---Request from the server: `pillion.ApprovalRequestParams` -> `pillion.ApprovalDecision`
M.APPROVAL_REQUEST = 'approval/request'

---Asks to save buffers before a command reads the disk.
---Request from the server: `pillion.EditorSaveParams` -> `pillion.EditorSaveResponse`
M.EDITOR_SAVE = 'editor/save'

---A fact in a watched session's log.
---Notification from the server: `pillion.SessionEventNotification`
M.SESSION_EVENT = 'session/event'

return M
