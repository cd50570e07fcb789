-- Generated from src/protocol by `cargo test generated`. Do not edit.

---Starts a session.
---@class pillion.SessionNewParams
---@field limits? pillion.Limits
---@field mcpServers? pillion.McpServer[] Beside the servers of the settings, for this session alone, for as long as it is open.
---@field mode? pillion.Mode
---@field model? string `provider/model`; the configured default when absent.
---@field roots? string[] Folders the session works in, as paths or `file:` URIs; the editor's workspace folders when absent.

---How much happens without asking.
---@alias pillion.Mode
---| "ask" # Reading inside the roots is allowed, everything else asks.
---| "acceptEdits" # Edits inside the roots are allowed too, except to files that other programs run.
---| "plan" # Nothing that changes anything may run.
---| "auto" # Everything inside the roots is allowed; what leaves them asks, and so do edits to files that other programs run.

---What a turn may use up. Absent means the configured default.
---@class pillion.Limits
---@field maxTokens? integer The most tokens of one model call.
---@field temperature? number Sampling temperature, as the provider defines it: 0 to 2.
---@field thinkingEffort? pillion.Effort How hard the model thinks, instead of a number of tokens; it counts more than `thinkingTokens` beside it.
---@field thinkingTokens? integer Tokens the model may reason with before it answers; 0 switches reasoning off, or asks for the least of a model that always reasons.
---@field turnLimit? integer The most model calls in one turn (default 50).

---How hard the model thinks. Where it knows fewer levels, it gets the nearest it has.
---@alias pillion.Effort
---| "minimal"
---| "low"
---| "medium"
---| "high"
---| "max"

---An MCP server that the client brings for one session. It is started unasked: name only what the person has set for themselves, never what a repository says.
---@alias pillion.McpServer
---| pillion.McpServer.Stdio
---| pillion.McpServer.Http

---A program, spoken to over its standard input and output.
---@class pillion.McpServer.Stdio
---@field type "stdio"
---@field name string Stands in the names of its tools: `mcp__name__tool`.
---@field command string
---@field args? string[]
---@field env? pillion.NamedValue[] Set for it, beside Pillion's own environment without its secrets.

---Streamable HTTP.
---@class pillion.McpServer.Http
---@field type "http"
---@field name string Stands in the names of its tools: `mcp__name__tool`.
---@field url string
---@field headers? pillion.NamedValue[]

---A variable or a header.
---@class pillion.NamedValue
---@field name string
---@field value string

---A session as it is now.
---@class pillion.SessionInfo
---@field sessionId string
---@field title string What the person called it, else the first words of its first prompt; empty before that.
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
---@field cost? pillion.Cost What it cost; absent if that is not known, or nothing was called.
---@field inputTokens? integer Prompt tokens that were neither read from nor written to a cache.
---@field outputTokens? integer Generated tokens, reasoning included.
---@field reasoningTokens? integer The part of `outputTokens` that was reasoning.

---Money, in whole nano-dollars (a thousand-millionth of a US dollar), so that sums are exact.
---@class pillion.Cost
---@field nanoDollars integer
---@field atLeast? boolean True if this is only the known part of it: some of what was called has no known price.

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
---@field mcpServers? pillion.McpServer[] As in `session/new`, which keeps none of them. Absent leaves those of a session that is open.
---@field roots? string[] The folders it works in from now on, for as long as it is open; as they are when absent. All watchers get a `notice` of a move, and what was allowed elsewhere asks again. Refused while a turn runs.

---Stops watching a session. Its turn is cancelled when nobody watches it any more; its log stays.
---@class pillion.SessionCloseParams
---@field sessionId string

---Nothing more to say.
---@class pillion.Empty

---Removes a session that nobody watches, for good.
---@class pillion.SessionDeleteParams
---@field sessionId string

---Gives a session another title. Those who watch it get `sessionRenamed`.
---@class pillion.SessionRenameParams
---@field sessionId string
---@field title string Made one line of at most 80 characters.

---Branches off from a session, which stays as it is.
---@class pillion.SessionForkParams
---@field sessionId string
---@field turnId? string The last turn that the new session has; all that have ended when absent.

---Changes a session's settings: the mode at once, the rest from the next turn on. What is absent stays.
---@class pillion.SessionConfigureParams
---@field sessionId string
---@field limits? pillion.Limits
---@field mode? pillion.Mode
---@field model? string

---Makes an idle session's conversation shorter for the model. The event `compaction` says when that is done; a `notice` comes instead if there is nothing to gain or it was stopped.
---@class pillion.SessionCompactParams
---@field sessionId string
---@field instructions? string What the summary should look to above all.

---Asks for events.
---@class pillion.EventListParams
---@field sessionId string
---@field fromSeq? integer The number of the first (default 1).
---@field limit? integer The most to return (default 500, at most 5000).

---Events, in their order.
---@class pillion.EventListResponse
---@field events pillion.SessionEventNotification[]
---@field nextSeq integer What `fromSeq` is next time: the number of the first event that is not here, whether it is there already or not.

---A fact in a session's log, as clients get it.
---@class pillion.SessionEventNotification
---@field sessionId string
---@field seq integer From 1, without gaps.
---@field event pillion.SessionEvent
---@field firstSeq? integer Where adjacent deltas were joined for a subscriber that fell behind: the number of the first of them. `seq` is that of the last.

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
---| pillion.SessionEvent.Superseded
---| pillion.SessionEvent.ToolPreparing
---| pillion.SessionEvent.Retry
---| pillion.SessionEvent.QuestionAsked
---| pillion.SessionEvent.QuestionResolved
---| pillion.SessionEvent.TaskStarted
---| pillion.SessionEvent.TaskEnded
---| pillion.SessionEvent.Fallback
---| pillion.SessionEvent.Changes
---| pillion.SessionEvent.Plan
---| pillion.SessionEvent.Nested
---| pillion.SessionEvent.SessionRenamed
---| pillion.SessionEvent.SessionConfigured
---| pillion.SessionEvent.CommandsChanged
---| pillion.SessionEvent.ToolsChanged
---| pillion.SessionEvent.Notice
---| pillion.SessionEvent.Compaction
---| pillion.SessionEvent.TurnEnded

---A turn began with this prompt.
---@class pillion.SessionEvent.TurnStarted
---@field type "turnStarted"
---@field turnId string
---@field prompt pillion.ContentBlock[]
---@field by? string What the client that sent it calls itself.
---@field outputSchema? any As in `turn/start`.

---The person said this to the running turn.
---@class pillion.SessionEvent.TurnSteered
---@field type "turnSteered"
---@field prompt pillion.ContentBlock[]
---@field by? string What the client that sent it calls itself.

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

---What one model call took, and the turn so far. Each model call that came to its end has one, after all it said.
---@class pillion.SessionEvent.Usage
---@field type "usage"
---@field round pillion.Usage
---@field turn pillion.Usage
---@field context? pillion.ContextUse Absent in logs of an older Pillion.

---What the model said since the turn's last `usage`, or since its start, is withdrawn, `messageDelta` and `reasoningDelta` alike: its answer broke off and begins anew. Take it off the screen.
---@class pillion.SessionEvent.Superseded
---@field type "superseded"

---The model is writing a call of this tool, which comes whole as `toolCall`. Now and then, not for every piece.
---@class pillion.SessionEvent.ToolPreparing
---@field type "toolPreparing"
---@field tool string
---@field bytes integer How much of its input there is.

---A model call failed and will be tried again.
---@class pillion.SessionEvent.Retry
---@field type "retry"
---@field attempt integer The number of the try that comes next, from 2.
---@field delayMs integer
---@field error string What failed.

---The model asks the person something.
---@class pillion.SessionEvent.QuestionAsked
---@field type "questionAsked"
---@field question pillion.Question

---It waits no more: close what shows it.
---@class pillion.SessionEvent.QuestionResolved
---@field type "questionResolved"
---@field questionId string
---@field outcome pillion.QuestionOutcome

---A command goes on in the background. It may outlive the turn.
---@class pillion.SessionEvent.TaskStarted
---@field type "taskStarted"
---@field task pillion.Task

---A background task ended. The model is told before its next call, in this turn or the next.
---@class pillion.SessionEvent.TaskEnded
---@field type "taskEnded"
---@field task pillion.Task
---@field text string What it printed, clipped, and how it ended.

---A model was too busy to answer, and for the rest of the turn another one is asked.
---@class pillion.SessionEvent.Fallback
---@field type "fallback"
---@field from string `provider/model`.
---@field to string `provider/model`.
---@field error string What failed.

---What this turn changed in these files or folders is other than it was: more was changed, or something was taken back, maybe long after the turn. `change/list` has it.
---@class pillion.SessionEvent.Changes
---@field type "changes"
---@field turnId string
---@field uris string[]

---What is to do, as the model sees it now: the whole list each time.
---@class pillion.SessionEvent.Plan
---@field type "plan"
---@field items pillion.PlanItem[]

---What happens in a sub-agent's turn, which works for this call. It comes between the call and its result.
---@class pillion.SessionEvent.Nested
---@field type "nested"
---@field callId string
---@field event pillion.SessionEvent

---The person gave the session another title.
---@class pillion.SessionEvent.SessionRenamed
---@field type "sessionRenamed"
---@field title string

---The session's settings changed.
---@class pillion.SessionEvent.SessionConfigured
---@field type "sessionConfigured"
---@field model string
---@field mode pillion.Mode
---@field limits pillion.Limits

---The prompt commands are others than when they were last listed for this session. Looked for when a turn begins and when they are listed.
---@class pillion.SessionEvent.CommandsChanged
---@field type "commandsChanged"
---@field commands pillion.CommandInfo[]

---The model is offered other tools from its next call on: an MCP server is ready, has changed what it offers, or is gone. By name, sorted.
---@class pillion.SessionEvent.ToolsChanged
---@field type "toolsChanged"
---@field added string[]
---@field removed string[]

---Something the person should know.
---@class pillion.SessionEvent.Notice
---@field type "notice"
---@field level pillion.NoticeLevel
---@field message string

---The conversation was made shorter for the model; the events before it stay as they are. Comes between turns too, when a client asked for it.
---@class pillion.SessionEvent.Compaction
---@field type "compaction"
---@field reason pillion.CompactionReason
---@field tokensBefore integer What the whole prompt took, estimated.
---@field tokensAfter integer What it takes now, estimated.
---@field strategies string[] What was done, in order: `dropThinking`, `dropFailedResults`, `clipOutputs`, `summarise`, `keepRecent`.

---The turn is over.
---@class pillion.SessionEvent.TurnEnded
---@field type "turnEnded"
---@field turnId string
---@field stopReason pillion.TurnStopReason
---@field usage pillion.Usage Summed over the turn.
---@field error? string What failed, and what to do.

---A part of a prompt. What it points to is looked up when the turn begins, in the open buffers first; the event `turnStarted` shows it as it was sent.  A `path` is absolute, relative to the first root, or a `file:` or `untitled:` URI. A file outside the roots is shown to the model this once, since the person has named it.
---@alias pillion.ContentBlock
---| pillion.ContentBlock.Text
---| pillion.ContentBlock.Comment
---| pillion.ContentBlock.Command
---| pillion.ContentBlock.File
---| pillion.ContentBlock.Range
---| pillion.ContentBlock.Symbol
---| pillion.ContentBlock.Folder
---| pillion.ContentBlock.Diagnostics
---| pillion.ContentBlock.Url
---| pillion.ContentBlock.Resource
---| pillion.ContentBlock.Image
---| pillion.ContentBlock.Selection

---Plain text. If the first text of a prompt begins with a slash and a name, it is a command: `/name arguments`. A backslash before the slash makes it plain.
---@class pillion.ContentBlock.Text
---@field type "text"
---@field text string

---A comment of a file that begins with `pillion:` and is the prompt, or a part of it. It is taken out of the file by the turn's first edit there, as one undo step, or at the end of the turn by an edit of its own if there was none. If the person wrote over it meanwhile, or refused that edit, it stays.
---@class pillion.ContentBlock.Comment
---@field type "comment"
---@field path string
---@field line integer Where it begins, from 1.
---@field text string What it says after `pillion:`, line by line, without what makes it a comment.

---A prompt command, by the name that `command/list` gives it.
---@class pillion.ContentBlock.Command
---@field type "command"
---@field name string
---@field arguments? string

---A whole file, or what is in a folder. A file with an image is shown as one.
---@class pillion.ContentBlock.File
---@field type "file"
---@field path string

---Lines of a file.
---@class pillion.ContentBlock.Range
---@field type "range"
---@field path string
---@field startLine integer From 1.
---@field endLine integer From 1, inclusive.

---Lines of a file that have a name: a function, a type.
---@class pillion.ContentBlock.Symbol
---@field type "symbol"
---@field path string
---@field name string
---@field startLine integer From 1.
---@field endLine integer From 1, inclusive.

---What is in a folder, two levels deep.
---@class pillion.ContentBlock.Folder
---@field type "folder"
---@field path string

---What compilers and linters say.
---@class pillion.ContentBlock.Diagnostics
---@field type "diagnostics"
---@field problems pillion.Problem[]

---An address on the web. The model is told of it; fetching it is a tool's, which asks.
---@class pillion.ContentBlock.Url
---@field type "url"
---@field url string

---A text that is in no file or buffer.
---@class pillion.ContentBlock.Resource
---@field type "resource"
---@field uri string How to name it to the model.
---@field text string

---An image, base64-encoded: PNG, JPEG, GIF or WebP, as its first bytes say, of at most 3,750,000 bytes.
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

---What a compiler or a linter says about a line.
---@class pillion.Problem
---@field path string
---@field line integer From 1.
---@field severity pillion.ProblemSeverity
---@field message string
---@field code? string What it is called there, for example `E0308`.
---@field source? string Who says so, for example `rustc`.

---How much a problem matters.
---@alias pillion.ProblemSeverity
---| "error"
---| "warning"
---| "information"
---| "hint"

---What a call may touch.
---@alias pillion.ToolClass
---| "read" # Looks, changes nothing.
---| "edit" # Changes files or buffers, in a way that can be undone.
---| "execute" # Runs a program.
---| "network" # Reaches the network.

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
---@field agent? pillion.Asker The sub-agent that asks; absent if it is the session's own agent.
---@field command? string The command line, if it would run one.
---@field diff? pillion.FileDiff What would change, if it would edit.
---@field risk? string Why this one deserves a closer look.

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

---A sub-agent that wants something of the person.
---@class pillion.Asker
---@field callId string The session's own call that it works for; the call that asks is one of those nested in it.
---@field name string Its name, after those of the sub-agents around it: `reviewer > sub-agent`.

---How an approval was resolved.
---@alias pillion.ApprovalOutcome
---| pillion.ApprovalOutcome.Allowed
---| pillion.ApprovalOutcome.Denied
---| pillion.ApprovalOutcome.Nobody
---| pillion.ApprovalOutcome.Cancelled

---The person allowed it.
---@class pillion.ApprovalOutcome.Allowed
---@field type "allowed"
---@field scope pillion.ApprovalScope

---The person refused.
---@class pillion.ApprovalOutcome.Denied
---@field type "denied"
---@field reason? string

---It was not run because nobody could be asked.
---@class pillion.ApprovalOutcome.Nobody
---@field type "nobody"
---@field reason string

---The turn ended before anybody answered.
---@class pillion.ApprovalOutcome.Cancelled
---@field type "cancelled"

---How long an allowance lasts.
---@alias pillion.ApprovalScope
---| "once" # This call only.
---| "session" # Calls that match the approval's rules, until the session is closed.
---| "project" # The same, kept for this project in the user's configuration folder.
---| "user" # The same, kept for all projects of this user.

---How a call ended.
---@alias pillion.ToolStatus
---| "ok"
---| "failed"
---| "denied"
---| "cancelled"

---How full the model's context is after a model call: the whole conversation as it would go into the next.
---@class pillion.ContextUse
---@field tokens integer As the provider counted them, or estimated where it did not.
---@field share? number `tokens / window`, from 0; above 1 what comes next does not fit.
---@field window? integer The most tokens that a prompt may have; absent if that is not known.

---A question that waits for the person. It lives as an [`Approval`](super::Approval) does: it has an id, outlives a reconnect, and the first answer wins.
---@class pillion.Question
---@field questionId string
---@field sessionId string
---@field turnId string
---@field callId string
---@field text string
---@field choices pillion.Choice[] What can be chosen; none if the answer is in words.
---@field allowsText boolean Whether an answer in words is welcome. Always true where there are no choices.
---@field agent? pillion.Asker The sub-agent that asks; absent if it is the session's own agent.

---An answer to choose.
---@class pillion.Choice
---@field label string
---@field description? string What it means.

---How a question was resolved.
---@alias pillion.QuestionOutcome
---| pillion.QuestionOutcome.Answered
---| pillion.QuestionOutcome.Nobody
---| pillion.QuestionOutcome.Cancelled

---The person answered.
---@class pillion.QuestionOutcome.Answered
---@field type "answered"
---@field answer pillion.QuestionAnswer

---No client that watches can put it before a person.
---@class pillion.QuestionOutcome.Nobody
---@field type "nobody"

---The turn ended before anybody answered.
---@class pillion.QuestionOutcome.Cancelled
---@field type "cancelled"

---What the person says.
---@alias pillion.QuestionAnswer
---| pillion.QuestionAnswer.Choice
---| pillion.QuestionAnswer.Text
---| pillion.QuestionAnswer.Decline

---One of the choices.
---@class pillion.QuestionAnswer.Choice
---@field type "choice"
---@field index integer From 0.

---Words of their own.
---@class pillion.QuestionAnswer.Text
---@field type "text"
---@field text string

---Nothing: the model is to decide.
---@class pillion.QuestionAnswer.Decline
---@field type "decline"

---A command that runs in the background, or did.
---@class pillion.Task
---@field taskId string `task-1` and so on, counted in its session.
---@field callId string The call that started it; of a sub-agent's call, with the calls around it: `call_1.call_7`.
---@field title string One line for a person: the command.
---@field status pillion.TaskStatus
---@field startedAt integer Seconds since 1970-01-01T00:00:00Z.
---@field endedAt? integer Seconds since 1970-01-01T00:00:00Z, once it ended.

---Whether a task runs, and how it ended.
---@alias pillion.TaskStatus
---| "running"
---| "cancelled"
---| "ended" # By itself; what it said last tells whether well.
---| "timedOut" # It ran into its time limit.
---| "lost" # It ended with the process that ran it.

---Something to do.
---@class pillion.PlanItem
---@field text string
---@field status pillion.PlanStatus

---How far something to do is.
---@alias pillion.PlanStatus
---| "pending"
---| "inProgress"
---| "completed"

---A text that a prompt can name, as `/name arguments` or by a block `command`.
---@class pillion.CommandInfo
---@field name string Without the slash.
---@field description string One line.
---@field source string `user`, `project`, or the name of what else has it.
---@field arguments? string What may follow the name, for a person: `<issue> [priority]`.

---How much a notice matters.
---@alias pillion.NoticeLevel
---| "info"
---| "warning"
---| "error"

---Why a conversation was made shorter.
---@alias pillion.CompactionReason
---| "share" # The model's context was nearly full.
---| "messages" # There were many messages.
---| "rejected" # The provider said that the prompt is too long.
---| "byHand" # A client asked for it by `session/compact`.

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

---Starts a turn. Answers at once; what happens arrives as `session/event`.
---@class pillion.TurnStartParams
---@field sessionId string
---@field prompt pillion.ContentBlock[]
---@field outputSchema? any A JSON Schema of an object that the last answer is to be, as JSON. Providers do what they can, so it has to be checked.
---@field queue? boolean If a turn runs, wait for its end, behind those that wait already: the answer comes when the turn begins. Without it, the request is refused with -32003.

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
---@field background? boolean Whether to end what runs in the background of the session, too.
---@field waitingOnly? boolean Whether only to take back what this client has waiting (see `queue` of `turn/start`): what runs goes on.

---Whether there was a turn to stop.
---@class pillion.TurnCancelResponse
---@field cancelled boolean

---Moves a running command into the background, so that the turn goes on.
---@class pillion.TurnBackgroundParams
---@field sessionId string
---@field callId string The call that runs it; of a sub-agent's call, with the calls around it: `call_1.call_7`.

---Whether there was a command to move. If so, `taskStarted` follows.
---@class pillion.TurnBackgroundResponse
---@field moved boolean

---Answers an approval that any client was shown.
---@class pillion.ApprovalRespondParams
---@field approvalId string
---@field decision pillion.ApprovalDecision

---What the person says.
---@alias pillion.ApprovalDecision
---| pillion.ApprovalDecision.Allow
---| pillion.ApprovalDecision.Deny
---| pillion.ApprovalDecision.Nobody
---| pillion.ApprovalDecision.CancelTurn

---Run it.
---@class pillion.ApprovalDecision.Allow
---@field type "allow"
---@field hunks? integer[] Only these hunks of the diff, by index from 0.
---@field input? any Run it with this input instead.
---@field rules? string[] Keep these rules for `scope`, instead of those that the approval shows.
---@field scope? pillion.ApprovalScope

---Do not run it. The model reads the reason.
---@class pillion.ApprovalDecision.Deny
---@field type "deny"
---@field reason? string

---Nobody can be asked here, so it is not run: for clients without a person, or that cannot show it.
---@class pillion.ApprovalDecision.Nobody
---@field type "nobody"
---@field reason string Why not, for the model and the person.

---Do not run it, and stop the turn.
---@class pillion.ApprovalDecision.CancelTurn
---@field type "cancelTurn"

---Whether this answer was the first. If not, the approval had been resolved before.
---@class pillion.ApprovalRespondResponse
---@field accepted boolean

---Asks for what waits for the person.
---@class pillion.ApprovalListParams
---@field sessionId? string Only in this session; in all that are open when absent.

---What waits for the person, in each session in the order in which it came.
---@class pillion.ApprovalListResponse
---@field approvals pillion.Approval[]
---@field questions pillion.Question[]

---Answers a question that any client was shown.
---@class pillion.QuestionRespondParams
---@field questionId string
---@field answer pillion.QuestionAnswer

---Whether this answer was the first. If not, the question had been resolved before.
---@class pillion.QuestionRespondResponse
---@field accepted boolean

---Lists what turns changed.
---@class pillion.ChangeListParams
---@field sessionId string
---@field turnId? string Only of this turn.

---In the order in which it was done.
---@class pillion.ChangeListResponse
---@field changes pillion.FileChange[]

---What one turn did to one file, or to a folder, as it stands now. All edits of a file in a turn are one change.
---@class pillion.FileChange
---@field turnId string
---@field callIds string[] The calls that did it, in order; of a sub-agent's call, with the calls around it: `call_1.call_7`.
---@field uri string Where it is now, as the editor that has it open calls it; where it was, if it was deleted.
---@field kind pillion.ChangeKind
---@field state pillion.ChangeState
---@field hunks pillion.ChangeHunk[] Of `edit` and `create`, as they follow each other in the text; what is not in it any more comes last.
---@field from? string Where it was before a `move`.

---What was done to a file.
---@alias pillion.ChangeKind
---| "edit"
---| "delete"
---| "move"
---| "create" # It was made, and perhaps edited after that.

---What has become of a change.
---@alias pillion.ChangeState
---| "kept" # It stands and can be taken back; of a file's hunks, at least one.
---| "reverted" # It was taken back, by `change/revert` or by hand.
---| "changedSince" # Somebody has changed it since: it stays as it is.

---Whole lines that were put in the place of others.
---@class pillion.ChangeHunk
---@field id string For `change/revert`. It holds until the same turn edits the file again.
---@field old string What was there before; empty if it only brought something.
---@field new string What it brought; empty if it only took something away.
---@field state pillion.ChangeState
---@field range? pillion.DiagnosticRange Where it stands in the text as it is now; of one that was taken back, where the old lines are. Absent if that cannot be told.

---
---@class pillion.DiagnosticRange
---@field start pillion.DiagnosticPosition
---@field end pillion.DiagnosticPosition

---Both from 0; characters in the negotiated position encoding.
---@class pillion.DiagnosticPosition
---@field line integer
---@field character integer

---Asks for the texts of a file that a turn changed.
---@class pillion.ChangeTextParams
---@field sessionId string
---@field turnId string
---@field uri string As in `change/list`.

---Two texts for a diff editor.
---@class pillion.ChangeTextResponse
---@field before string As it would be without what is left of the turn's changes.
---@field after string As it is now; empty if it was deleted.

---Takes back what fits all that is given. One of `turnId`, `uri` and `hunks` must be.
---@class pillion.ChangeRevertParams
---@field sessionId string
---@field hunks? string[] By their `id`.
---@field turnId? string
---@field uri? string As in `change/list`.

---What came of it, the latest change first. What had been taken back before is in neither list.
---@class pillion.ChangeRevertResponse
---@field reverted pillion.RevertedChange[]
---@field refused pillion.RefusedChange[]

---Something that was taken back.
---@class pillion.RevertedChange
---@field turnId string
---@field uri string
---@field hunks string[] None of a move or a deletion.

---Something that stays as it is.
---@class pillion.RefusedChange
---@field turnId string
---@field uri string
---@field reason string For the person.
---@field hunk? string Absent for a move or a deletion.

---Lists a session's background tasks.
---@class pillion.TaskListParams
---@field sessionId string

---In the order in which they were started.
---@class pillion.TaskListResponse
---@field tasks pillion.Task[]

---Reads what a task has printed until now.
---@class pillion.TaskReadParams
---@field sessionId string
---@field taskId string

---What a task has printed: head and tail, if it was much.
---@class pillion.TaskReadResponse
---@field task pillion.Task
---@field text string

---Ends a task. Answers at once; `taskEnded` follows when its processes are gone.
---@class pillion.TaskCancelParams
---@field sessionId string
---@field taskId string

---Whether it was running.
---@class pillion.TaskCancelResponse
---@field cancelled boolean

---Lists the prompt commands.
---@class pillion.CommandListParams
---@field sessionId? string Those of this session's roots; of the editor's workspace folders when absent.

---The commands, by name.
---@class pillion.CommandListResponse
---@field commands pillion.CommandInfo[]

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
---@field maxOutput? integer The most tokens of one answer; absent if that is not known.
---@field prices? pillion.Prices Absent if none is known.
---@field window? integer The most tokens that a prompt may have; absent if that is not known.

---US dollars for a million tokens, at the provider's standard rates as far as Pillion or the configuration knows them; long prompts may cost more. A price that is not known is absent, which is not nought.
---@class pillion.Prices
---@field cacheRead? number For tokens read from the provider's cache.
---@field cacheWrite? number For tokens written to it.
---@field cacheWriteLong? number For tokens written to it for an hour.
---@field input? number
---@field output? number

---Lists MCP servers and what has become of them.
---@class pillion.McpListParams
---@field sessionId? string Lists the servers that were brought for this session, too.

---
---@class pillion.McpListResponse
---@field servers pillion.McpServerInfo[]

---An MCP server as it is now.
---@class pillion.McpServerInfo
---@field name string
---@field state pillion.McpServerState
---@field tools integer How many of its tools the model is offered.
---@field error? string What failed, while it is not ready.

---What has become of an MCP server.
---@alias pillion.McpServerState
---| "ready"
---| "starting" # For the first time, or again after it ended.
---| "failed" # Given up; it is tried again when the settings are read again.
---| "disabled" # Switched off in the settings.

---The request that puts an [`Approval`] before the person.
---@class pillion.ApprovalRequestParams
---@field approval pillion.Approval

---The request that puts a [`Question`] before the person.
---@class pillion.QuestionRequestParams
---@field question pillion.Question

---Asks the editor what its language servers, compilers and linters say.
---@class pillion.EditorDiagnosticsParams
---@field uris? string[] Only of these documents; of all that the editor knows something about when absent.

---What the editor knows now. A document that was asked for and has nothing wrong is there with no items.
---@class pillion.EditorDiagnosticsResponse
---@field files? pillion.DocumentDiagnostics[]

---What is wrong in one document.
---@class pillion.DocumentDiagnostics
---@field uri string
---@field items pillion.Diagnostic[]
---@field version? integer The version of the open document that all of them are for. Absent if that is not known; older than the document's if something has not been checked again since it changed.

---As LSP has it.
---@class pillion.Diagnostic
---@field range pillion.DiagnosticRange
---@field message string
---@field code? any A number or a string.
---@field severity? integer 1 error, 2 warning, 3 information, 4 hint.
---@field source? string Who says so, for example `rustc`.

---Asks what the person has before them.
---@class pillion.EditorContextParams

---What the person has before them now.
---@class pillion.EditorContextResponse
---@field active? pillion.ActiveDocument The document that the person is in, or was in last. Pillion's own windows are none.
---@field open? string[] The URIs of all that are open, shown or not.
---@field visible? pillion.VisibleDocument[] Those that are shown in a window, once for each window.

---The document that the person is in.
---@class pillion.ActiveDocument
---@field uri string
---@field cursor pillion.EditorPosition
---@field selection? pillion.EditorSelection Absent if nothing is selected.
---@field version? integer The version of the open document that the places are in, if it is known.

---Both from 0; columns in the negotiated position encoding.
---@class pillion.EditorPosition
---@field line integer
---@field column integer

---What is selected, by places as that of the cursor; the end is right behind the last character.
---@class pillion.EditorSelection
---@field startLine integer
---@field startColumn integer
---@field endLine integer
---@field endColumn integer
---@field text string

---What a window shows of a document: lines from 0, both included.
---@class pillion.VisibleDocument
---@field uri string
---@field startLine integer
---@field endLine integer

---Asks the editor to save these buffers, because a command is about to read the disk.
---@class pillion.EditorSaveParams
---@field uris string[]

---Which buffers could not be saved.
---@class pillion.EditorSaveResponse
---@field failed? string[]

---What a client says under `capabilities.experimental.pillion` of `initialize`. What it does not declare is done by standard LSP means.
---@class pillion.ClientCapabilities
---@field approvalRequest? boolean It answers `approval/request`; else approvals are `window/showMessageRequest`.
---@field editorContext? boolean It answers `editor/context`; else the model is told that it cannot be known.
---@field editorDiagnostics? boolean It answers `editor/diagnostics`; else the model is told that there are none to be had.
---@field editorSave? boolean It answers `editor/save`; else commands that see stale files say so.
---@field questionRequest? boolean It answers `question/request`; else a question with choices is `window/showMessageRequest`, and one without reaches nobody here.
---@field sessionEvent? boolean It shows `session/event`; else turns are started and shown by what every LSP client has.

---Subscribes to a stored or running session.
---@class pillion.SessionEventsParams
---@field sessionId string
---@field fromSeq? integer Replays the events from this number on (1 for all), before any new one. Without it nothing is replayed.

---Introduces who attaches.
---@class pillion.AttachParams
---@field protocolVersion integer Of the protocol; any other than the server's own is refused.
---@field version string Of Pillion.
---@field name string What the events call it, for example `terminal`.
---@field capabilities? pillion.ClientCapabilities Only `approvalRequest` and `questionRequest` matter.
---@field readsFiles? boolean It answers `file/read` with `FileReadParams`, about files that no editor has open.
---@field writesFiles? boolean It answers `file/write` with `FileWriteParams`, too.

---Introduces whom it attaches to.
---@class pillion.AttachResponse
---@field protocolVersion integer
---@field version string Of Pillion.
---@field processId integer
---@field roots string[] The folders it works in, as absolute paths.

---What does who attaches show of a file?
---@class pillion.FileReadParams
---@field path string Absolute, without symlinks.

---The answer to `file/read`.
---@class pillion.FileReadResponse
---@field text? string Saved or not; absent if it has no say about this file, and then the disk counts.

---A text to be shown in the place of another. Answered with an empty object once it is.
---@class pillion.FileWriteParams
---@field path string Absolute, without symlinks.
---@field text string

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

---Removes a session and its log for good. Refused while anybody watches it: close it first.
---Request to the server: `pillion.SessionDeleteParams` -> `pillion.Empty`
M.SESSION_DELETE = 'session/delete'

---Gives a session another title.
---Request to the server: `pillion.SessionRenameParams` -> `pillion.Empty`
M.SESSION_RENAME = 'session/rename'

---Branches off: a new session with the same past. It is stored and not open; `session/load` opens it.
---Request to the server: `pillion.SessionForkParams` -> `pillion.SessionInfo`
M.SESSION_FORK = 'session/fork'

---Changes model, mode or limits: the mode at once, the rest from the next turn on.
---Request to the server: `pillion.SessionConfigureParams` -> `pillion.SessionInfo`
M.SESSION_CONFIGURE = 'session/configure'

---Makes the conversation of a session in which no turn runs shorter for the model. Answers at once; a turn that is started meanwhile waits for it, and `turn/cancel` stops it.
---Request to the server: `pillion.SessionCompactParams` -> `pillion.Empty`
M.SESSION_COMPACT = 'session/compact'

---Reads events of an open session, for clients that ask instead of listening.
---Request to the server: `pillion.EventListParams` -> `pillion.EventListResponse`
M.EVENT_LIST = 'event/list'

---Starts a turn and answers at once. One turn runs at a time in a session.
---Request to the server: `pillion.TurnStartParams` -> `pillion.TurnStartResponse`
M.TURN_START = 'turn/start'

---Says something to the running turn.
---Request to the server: `pillion.TurnSteerParams` -> `pillion.Empty`
M.TURN_STEER = 'turn/steer'

---Stops the running turn. Answers at once; its processes are gone within a second.
---Request to the server: `pillion.TurnCancelParams` -> `pillion.TurnCancelResponse`
M.TURN_CANCEL = 'turn/cancel'

---Has a running command go on in the background.
---Request to the server: `pillion.TurnBackgroundParams` -> `pillion.TurnBackgroundResponse`
M.TURN_BACKGROUND = 'turn/background'

---Answers an approval. The first answer wins.
---Request to the server: `pillion.ApprovalRespondParams` -> `pillion.ApprovalRespondResponse`
M.APPROVAL_RESPOND = 'approval/respond'

---Lists the approvals and questions that wait for the person.
---Request to the server: `pillion.ApprovalListParams` -> `pillion.ApprovalListResponse`
M.APPROVAL_LIST = 'approval/list'

---Answers a question of the model. The first answer wins.
---Request to the server: `pillion.QuestionRespondParams` -> `pillion.QuestionRespondResponse`
M.QUESTION_RESPOND = 'question/respond'

---Lists what the turns of a session changed, as it stands now.
---Request to the server: `pillion.ChangeListParams` -> `pillion.ChangeListResponse`
M.CHANGE_LIST = 'change/list'

---Gives a file as it is, and as it would be without what a turn changed.
---Request to the server: `pillion.ChangeTextParams` -> `pillion.ChangeTextResponse`
M.CHANGE_TEXT = 'change/text'

---Takes changes back, by edits like any other. What the person has changed since stays.
---Request to the server: `pillion.ChangeRevertParams` -> `pillion.ChangeRevertResponse`
M.CHANGE_REVERT = 'change/revert'

---Lists a session's background tasks.
---Request to the server: `pillion.TaskListParams` -> `pillion.TaskListResponse`
M.TASK_LIST = 'task/list'

---Reads what a background task has printed until now.
---Request to the server: `pillion.TaskReadParams` -> `pillion.TaskReadResponse`
M.TASK_READ = 'task/read'

---Ends a background task.
---Request to the server: `pillion.TaskCancelParams` -> `pillion.TaskCancelResponse`
M.TASK_CANCEL = 'task/cancel'

---Lists the prompt commands, as they are now.
---Request to the server: `pillion.CommandListParams` -> `pillion.CommandListResponse`
M.COMMAND_LIST = 'command/list'

---Lists the models that can be chosen.
---Request to the server: `pillion.ModelListParams` -> `pillion.ModelListResponse`
M.MODEL_LIST = 'model/list'

---Lists the MCP servers and what has become of them.
---Request to the server: `pillion.McpListParams` -> `pillion.McpListResponse`
M.MCP_LIST = 'mcp/list'

---Puts a call before the person. Withdrawn by `$/cancelRequest` when it was answered elsewhere or the turn ended.
---Request from the server: `pillion.ApprovalRequestParams` -> `pillion.ApprovalDecision`
M.APPROVAL_REQUEST = 'approval/request'

---Puts a question of the model before the person. Withdrawn as `approval/request` is.
---Request from the server: `pillion.QuestionRequestParams` -> `pillion.QuestionAnswer`
M.QUESTION_REQUEST = 'question/request'

---Asks for the diagnostics that the editor has.
---Request from the server: `pillion.EditorDiagnosticsParams` -> `pillion.EditorDiagnosticsResponse`
M.EDITOR_DIAGNOSTICS = 'editor/diagnostics'

---Asks what the person has before them.
---Request from the server: `pillion.EditorContextParams` -> `pillion.EditorContextResponse`
M.EDITOR_CONTEXT = 'editor/context'

---Asks to save buffers before a command reads the disk.
---Request from the server: `pillion.EditorSaveParams` -> `pillion.EditorSaveResponse`
M.EDITOR_SAVE = 'editor/save'

---A fact in a watched session's log.
---Notification from the server: `pillion.SessionEventNotification`
M.SESSION_EVENT = 'session/event'

return M
