// Generated from src/protocol by `cargo test generated`. Do not edit.

/** Changes when a client written for the one before would break. */
export const VERSION = 1;

/** Requests from the client to the server. */
export interface Requests {
  /** Starts a session and watches it. */
  "session/new": { params: SessionNewParams; result: SessionInfo };
  /** Lists stored and running sessions, the latest used first. */
  "session/list": { params: SessionListParams; result: SessionListResponse };
  /** Opens a stored or running session and watches it; replays its events from `fromSeq` on. Open approvals are asked again. */
  "session/load": { params: SessionLoadParams; result: SessionInfo };
  /** Stops watching a session. When nobody watches it any more, its turn is cancelled. Its log stays. */
  "session/close": { params: SessionCloseParams; result: Empty };
  /** Removes a session and its log for good. Refused while anybody watches it: close it first. */
  "session/delete": { params: SessionDeleteParams; result: Empty };
  /** Gives a session another title. */
  "session/rename": { params: SessionRenameParams; result: Empty };
  /** Branches off: a new session with the same past. It is stored and not open; `session/load` opens it. */
  "session/fork": { params: SessionForkParams; result: SessionInfo };
  /** Changes model, mode or limits: the mode at once, the rest from the next turn on. */
  "session/configure": { params: SessionConfigureParams; result: SessionInfo };
  /** Makes the conversation of a session in which no turn runs shorter for the model. Answers at once; a turn that is started meanwhile waits for it, and `turn/cancel` stops it. */
  "session/compact": { params: SessionCompactParams; result: Empty };
  /** Reads events of an open session, for clients that ask instead of listening. */
  "event/list": { params: EventListParams; result: EventListResponse };
  /** Starts a turn and answers at once. One turn runs at a time in a session. */
  "turn/start": { params: TurnStartParams; result: TurnStartResponse };
  /** Says something to the running turn. */
  "turn/steer": { params: TurnSteerParams; result: Empty };
  /** Stops the running turn. Answers at once; its processes are gone within a second. */
  "turn/cancel": { params: TurnCancelParams; result: TurnCancelResponse };
  /** Has a running command go on in the background. */
  "turn/background": { params: TurnBackgroundParams; result: TurnBackgroundResponse };
  /** Answers an approval. The first answer wins. */
  "approval/respond": { params: ApprovalRespondParams; result: ApprovalRespondResponse };
  /** Lists the approvals and questions that wait for the person. */
  "approval/list": { params: ApprovalListParams; result: ApprovalListResponse };
  /** Answers a question of the model. The first answer wins. */
  "question/respond": { params: QuestionRespondParams; result: QuestionRespondResponse };
  /** Lists what the turns of a session changed, as it stands now. */
  "change/list": { params: ChangeListParams; result: ChangeListResponse };
  /** Gives a file as it is, and as it would be without what a turn changed. */
  "change/text": { params: ChangeTextParams; result: ChangeTextResponse };
  /** Takes changes back, by edits like any other. What the person has changed since stays. */
  "change/revert": { params: ChangeRevertParams; result: ChangeRevertResponse };
  /** Lists a session's background tasks. */
  "task/list": { params: TaskListParams; result: TaskListResponse };
  /** Reads what a background task has printed until now. */
  "task/read": { params: TaskReadParams; result: TaskReadResponse };
  /** Ends a background task. */
  "task/cancel": { params: TaskCancelParams; result: TaskCancelResponse };
  /** Lists the prompt commands, as they are now. */
  "command/list": { params: CommandListParams; result: CommandListResponse };
  /** Lists the models that can be chosen. */
  "model/list": { params: ModelListParams; result: ModelListResponse };
  /** Lists the MCP servers and what has become of them. */
  "mcp/list": { params: McpListParams; result: McpListResponse };
}

/** Requests from the server, sent only to clients that declared that they answer them. */
export interface ClientRequests {
  /** Puts a call before the person. Withdrawn by `$/cancelRequest` when it was answered elsewhere or the turn ended. */
  "approval/request": { params: ApprovalRequestParams; result: ApprovalDecision };
  /** Puts a question of the model before the person. Withdrawn as `approval/request` is. */
  "question/request": { params: QuestionRequestParams; result: QuestionAnswer };
  /** Asks for the diagnostics that the editor has. */
  "editor/diagnostics": { params: EditorDiagnosticsParams; result: EditorDiagnosticsResponse };
  /** Asks what the person has before them. */
  "editor/context": { params: EditorContextParams; result: EditorContextResponse };
  /** Asks to save buffers before a command reads the disk. */
  "editor/save": { params: EditorSaveParams; result: EditorSaveResponse };
}

/** Notifications from the server. */
export interface Notifications {
  /** A fact in a watched session's log. */
  "session/event": { params: SessionEventNotification };
}

/** Starts a session. */
export interface SessionNewParams {
  limits?: Limits;
  /** Beside the servers of the settings, for this session alone, for as long as it is open. */
  mcpServers?: McpServer[];
  mode?: Mode;
  /** `provider/model`; the configured default when absent. */
  model?: string;
  /** Folders the session works in, as paths or `file:` URIs; the editor's workspace folders when absent. */
  roots?: string[];
}

/** How much happens without asking. */
export type Mode =
  /** Reading inside the roots is allowed, everything else asks. */
  | "ask"
  /** Edits inside the roots are allowed too, except to files that other programs run. */
  | "acceptEdits"
  /** Nothing that changes anything may run. */
  | "plan"
  /** Everything inside the roots is allowed; what leaves them asks, and so do edits to files that other programs run. */
  | "auto";

/** What a turn may use up. Absent means the configured default. */
export interface Limits {
  /** The most tokens of one model call. */
  maxTokens?: number;
  /** Sampling temperature, as the provider defines it: 0 to 2. */
  temperature?: number;
  /** How hard the model thinks, instead of a number of tokens; it counts more than `thinkingTokens` beside it. */
  thinkingEffort?: Effort;
  /** Tokens the model may reason with before it answers; 0 switches reasoning off, or asks for the least of a model that always reasons. */
  thinkingTokens?: number;
  /** The most model calls in one turn (default 50). */
  turnLimit?: number;
}

/** How hard the model thinks. Where it knows fewer levels, it gets the nearest it has. */
export type Effort =
  | "minimal"
  | "low"
  | "medium"
  | "high"
  | "max";

/** An MCP server that the client brings for one session. It is started unasked: name only what the person has set for themselves, never what a repository says. */
export type McpServer =
  /** A program, spoken to over its standard input and output. */
  | {
      type: "stdio";
      /** Stands in the names of its tools: `mcp__name__tool`. */
      name: string;
      command: string;
      args?: string[];
      /** Set for it, beside Pillion's own environment without its secrets. */
      env?: NamedValue[];
    }
  /** Streamable HTTP. */
  | {
      type: "http";
      /** Stands in the names of its tools: `mcp__name__tool`. */
      name: string;
      url: string;
      headers?: NamedValue[];
    };

/** A variable or a header. */
export interface NamedValue {
  name: string;
  value: string;
}

/** A session as it is now. */
export interface SessionInfo {
  sessionId: string;
  /** What the person called it, else the first words of its first prompt; empty before that. */
  title: string;
  /** Absolute paths. */
  roots: string[];
  /** `provider/model`. */
  model: string;
  mode: Mode;
  limits: Limits;
  /** The number of its latest event; 0 before the first. */
  lastSeq: number;
  /** Seconds since 1970-01-01T00:00:00Z. */
  createdAt: number;
  /** Seconds since 1970-01-01T00:00:00Z. */
  updatedAt: number;
  /** Over all its turns. */
  usage: Usage;
  /** The turn that runs now. */
  turnId?: string;
}

/** Tokens, summed over what it stands for. A count that the provider did not give is absent, which is not zero. */
export interface Usage {
  /** Prompt tokens read from the provider's cache. */
  cacheReadTokens?: number;
  /** Prompt tokens written to the provider's cache. */
  cacheWriteTokens?: number;
  /** What it cost; absent if that is not known, or nothing was called. */
  cost?: Cost;
  /** Prompt tokens that were neither read from nor written to a cache. */
  inputTokens?: number;
  /** Generated tokens, reasoning included. */
  outputTokens?: number;
  /** The part of `outputTokens` that was reasoning. */
  reasoningTokens?: number;
}

/** Money, in whole nano-dollars (a thousand-millionth of a US dollar), so that sums are exact. */
export interface Cost {
  nanoDollars: number;
  /** True if this is only the known part of it: some of what was called has no known price. */
  atLeast?: boolean;
}

/** Lists sessions, the latest used first. */
export interface SessionListParams {
  /** `nextCursor` of the page before. */
  cursor?: string;
  /** The most to return (default 50, at most 500). */
  limit?: number;
  /** Only sessions that work in this folder (a path or a `file:` URI). */
  root?: string;
}

/** A page of sessions. */
export interface SessionListResponse {
  sessions: SessionInfo[];
  /** Present if there are more. */
  nextCursor?: string;
}

/** Opens a stored or running session and watches it. */
export interface SessionLoadParams {
  sessionId: string;
  /** Replays the events from this number on (1 for all), before any new one. Without it nothing is replayed. */
  fromSeq?: number;
  /** As in `session/new`, which keeps none of them. Absent leaves those of a session that is open. */
  mcpServers?: McpServer[];
  /** The folders it works in from now on, for as long as it is open; as they are when absent. All watchers get a `notice` of a move, and what was allowed elsewhere asks again. Refused while a turn runs. */
  roots?: string[];
}

/** Stops watching a session. Its turn is cancelled when nobody watches it any more; its log stays. */
export interface SessionCloseParams {
  sessionId: string;
}

/** Nothing more to say. */
export type Empty = Record<string, never>;

/** Removes a session that nobody watches, for good. */
export interface SessionDeleteParams {
  sessionId: string;
}

/** Gives a session another title. Those who watch it get `sessionRenamed`. */
export interface SessionRenameParams {
  sessionId: string;
  /** Made one line of at most 80 characters. */
  title: string;
}

/** Branches off from a session, which stays as it is. */
export interface SessionForkParams {
  sessionId: string;
  /** The last turn that the new session has; all that have ended when absent. */
  turnId?: string;
}

/** Changes a session's settings: the mode at once, the rest from the next turn on. What is absent stays. */
export interface SessionConfigureParams {
  sessionId: string;
  limits?: Limits;
  mode?: Mode;
  model?: string;
}

/** Makes an idle session's conversation shorter for the model. The event `compaction` says when that is done; a `notice` comes instead if there is nothing to gain or it was stopped. */
export interface SessionCompactParams {
  sessionId: string;
  /** What the summary should look to above all. */
  instructions?: string;
}

/** Asks for events. */
export interface EventListParams {
  sessionId: string;
  /** The number of the first (default 1). */
  fromSeq?: number;
  /** The most to return (default 500, at most 5000). */
  limit?: number;
}

/** Events, in their order. */
export interface EventListResponse {
  events: SessionEventNotification[];
  /** What `fromSeq` is next time: the number of the first event that is not here, whether it is there already or not. */
  nextSeq: number;
}

/** A fact in a session's log, as clients get it. */
export interface SessionEventNotification {
  sessionId: string;
  /** From 1, without gaps. */
  seq: number;
  event: SessionEvent;
  /** Where adjacent deltas were joined for a subscriber that fell behind: the number of the first of them. `seq` is that of the last. */
  firstSeq?: number;
}

/** What happened. The last event of a turn is `turnEnded`, exactly once, and nothing of the turn follows it. */
export type SessionEvent =
  /** A turn began with this prompt. */
  | {
      type: "turnStarted";
      turnId: string;
      prompt: ContentBlock[];
      /** What the client that sent it calls itself. */
      by?: string;
      /** As in `turn/start`. */
      outputSchema?: unknown;
    }
  /** The person said this to the running turn. */
  | {
      type: "turnSteered";
      prompt: ContentBlock[];
      /** What the client that sent it calls itself. */
      by?: string;
    }
  /** More of the model's answer. Adjacent pieces may arrive as one. */
  | {
      type: "messageDelta";
      text: string;
    }
  /** More of the model's reasoning. */
  | {
      type: "reasoningDelta";
      text: string;
    }
  /** The model asked for a tool. Whole, never partial JSON. */
  | {
      type: "toolCall";
      callId: string;
      tool: string;
      input: unknown;
      class: ToolClass;
      title: string;
    }
  /** A call waits for the person. */
  | {
      type: "approvalRequested";
      approval: Approval;
    }
  /** It waits no more: close what shows it. */
  | {
      type: "approvalResolved";
      approvalId: string;
      outcome: ApprovalOutcome;
    }
  /** More of a running call's output. */
  | {
      type: "toolProgress";
      callId: string;
      /** Where `text` begins, in bytes of the call's whole output. */
      offset: number;
      text: string;
    }
  /** A call ended. */
  | {
      type: "toolResult";
      callId: string;
      status: ToolStatus;
      /** What the model reads; images are left out. */
      text: string;
      /** What changed. */
      diff?: FileDiff;
    }
  /** What one model call took, and the turn so far. Each model call that came to its end has one, after all it said. */
  | {
      type: "usage";
      round: Usage;
      turn: Usage;
      /** Absent in logs of an older Pillion. */
      context?: ContextUse;
    }
  /** What the model said since the turn's last `usage`, or since its start, is withdrawn, `messageDelta` and `reasoningDelta` alike: its answer broke off and begins anew. Take it off the screen. */
  | { type: "superseded" }
  /** The model is writing a call of this tool, which comes whole as `toolCall`. Now and then, not for every piece. */
  | {
      type: "toolPreparing";
      tool: string;
      /** How much of its input there is. */
      bytes: number;
    }
  /** A model call failed and will be tried again. */
  | {
      type: "retry";
      /** The number of the try that comes next, from 2. */
      attempt: number;
      delayMs: number;
      /** What failed. */
      error: string;
    }
  /** The model asks the person something. */
  | {
      type: "questionAsked";
      question: Question;
    }
  /** It waits no more: close what shows it. */
  | {
      type: "questionResolved";
      questionId: string;
      outcome: QuestionOutcome;
    }
  /** A command goes on in the background. It may outlive the turn. */
  | {
      type: "taskStarted";
      task: Task;
    }
  /** A background task ended. The model is told before its next call, in this turn or the next. */
  | {
      type: "taskEnded";
      task: Task;
      /** What it printed, clipped, and how it ended. */
      text: string;
    }
  /** A model was too busy to answer, and for the rest of the turn another one is asked. */
  | {
      type: "fallback";
      /** `provider/model`. */
      from: string;
      /** `provider/model`. */
      to: string;
      /** What failed. */
      error: string;
    }
  /** What this turn changed in these files or folders is other than it was: more was changed, or something was taken back, maybe long after the turn. `change/list` has it. */
  | {
      type: "changes";
      turnId: string;
      uris: string[];
    }
  /** What is to do, as the model sees it now: the whole list each time. */
  | {
      type: "plan";
      items: PlanItem[];
    }
  /** What happens in a sub-agent's turn, which works for this call. It comes between the call and its result. */
  | {
      type: "nested";
      callId: string;
      event: SessionEvent;
    }
  /** The person gave the session another title. */
  | {
      type: "sessionRenamed";
      title: string;
    }
  /** The session's settings changed. */
  | {
      type: "sessionConfigured";
      model: string;
      mode: Mode;
      limits: Limits;
    }
  /** The prompt commands are others than when they were last listed for this session. Looked for when a turn begins and when they are listed. */
  | {
      type: "commandsChanged";
      commands: CommandInfo[];
    }
  /** The model is offered other tools from its next call on: an MCP server is ready, has changed what it offers, or is gone. By name, sorted. */
  | {
      type: "toolsChanged";
      added: string[];
      removed: string[];
    }
  /** Something the person should know. */
  | {
      type: "notice";
      level: NoticeLevel;
      message: string;
    }
  /** The conversation was made shorter for the model; the events before it stay as they are. Comes between turns too, when a client asked for it. */
  | {
      type: "compaction";
      reason: CompactionReason;
      /** What the whole prompt took, estimated. */
      tokensBefore: number;
      /** What it takes now, estimated. */
      tokensAfter: number;
      /** What was done, in order: `dropThinking`, `dropFailedResults`, `clipOutputs`, `summarise`, `keepRecent`. */
      strategies: string[];
    }
  /** The turn is over. */
  | {
      type: "turnEnded";
      turnId: string;
      stopReason: TurnStopReason;
      /** Summed over the turn. */
      usage: Usage;
      /** What failed, and what to do. */
      error?: string;
    };

/** A part of a prompt. What it points to is looked up when the turn begins, in the open buffers first; the event `turnStarted` shows it as it was sent.  A `path` is absolute, relative to the first root, or a `file:` or `untitled:` URI. A file outside the roots is shown to the model this once, since the person has named it. */
export type ContentBlock =
  /** Plain text. If the first text of a prompt begins with a slash and a name, it is a command: `/name arguments`. A backslash before the slash makes it plain. */
  | {
      type: "text";
      text: string;
    }
  /** A comment of a file that begins with `pillion:` and is the prompt, or a part of it. It is taken out of the file by the turn's first edit there, as one undo step, or at the end of the turn by an edit of its own if there was none. If the person wrote over it meanwhile, or refused that edit, it stays. */
  | {
      type: "comment";
      path: string;
      /** Where it begins, from 1. */
      line: number;
      /** What it says after `pillion:`, line by line, without what makes it a comment. */
      text: string;
    }
  /** A prompt command, by the name that `command/list` gives it. */
  | {
      type: "command";
      name: string;
      arguments?: string;
    }
  /** A whole file, or what is in a folder. A file with an image is shown as one. */
  | {
      type: "file";
      path: string;
    }
  /** Lines of a file. */
  | {
      type: "range";
      path: string;
      /** From 1. */
      startLine: number;
      /** From 1, inclusive. */
      endLine: number;
    }
  /** Lines of a file that have a name: a function, a type. */
  | {
      type: "symbol";
      path: string;
      name: string;
      /** From 1. */
      startLine: number;
      /** From 1, inclusive. */
      endLine: number;
    }
  /** What is in a folder, two levels deep. */
  | {
      type: "folder";
      path: string;
    }
  /** What compilers and linters say. */
  | {
      type: "diagnostics";
      problems: Problem[];
    }
  /** An address on the web. The model is told of it; fetching it is a tool's, which asks. */
  | {
      type: "url";
      url: string;
    }
  /** A text that is in no file or buffer. */
  | {
      type: "resource";
      /** How to name it to the model. */
      uri: string;
      text: string;
    }
  /** An image, base64-encoded: PNG, JPEG, GIF or WebP, as its first bytes say, of at most 3,750,000 bytes. */
  | {
      type: "image";
      /** For example `image/png`. */
      mediaType: string;
      /** Standard base64 with padding. */
      data: string;
    }
  /** Lines of a file or buffer that the person pointed at, as they are on the screen. */
  | {
      type: "selection";
      /** A path or a `file:` or `untitled:` URI. */
      path: string;
      /** From 1. */
      startLine: number;
      /** From 1, inclusive. */
      endLine: number;
      text: string;
    };

/** What a compiler or a linter says about a line. */
export interface Problem {
  path: string;
  /** From 1. */
  line: number;
  severity: ProblemSeverity;
  message: string;
  /** What it is called there, for example `E0308`. */
  code?: string;
  /** Who says so, for example `rustc`. */
  source?: string;
}

/** How much a problem matters. */
export type ProblemSeverity =
  | "error"
  | "warning"
  | "information"
  | "hint";

/** What a call may touch. */
export type ToolClass =
  /** Looks, changes nothing. */
  | "read"
  /** Changes files or buffers, in a way that can be undone. */
  | "edit"
  /** Runs a program. */
  | "execute"
  /** Reaches the network. */
  | "network";

/** A call that waits for the person. It has an id, outlives a reconnect, and the first answer wins. */
export interface Approval {
  approvalId: string;
  sessionId: string;
  turnId: string;
  callId: string;
  tool: string;
  /** What the tool would be given. */
  input: unknown;
  class: ToolClass;
  /** One line for a person, for example `Edit src/main.rs`. */
  title: string;
  /** Absolute paths it would touch. */
  paths: string[];
  /** True if one of them lies outside the session's roots. */
  outside: boolean;
  /** The rules that would silence this call, as they would be stored by `scope` `session`, `project` or `user`. */
  rules: string[];
  /** The sub-agent that asks; absent if it is the session's own agent. */
  agent?: Asker;
  /** The command line, if it would run one. */
  command?: string;
  /** What would change, if it would edit. */
  diff?: FileDiff;
  /** Why this one deserves a closer look. */
  risk?: string;
}

/** A change of one file, as text for people and in pieces to choose from. */
export interface FileDiff {
  /** Absolute path, or the URI of an untitled buffer. */
  path: string;
  /** Unified diff with three lines of context and `a/`, `b/` headers. */
  unified: string;
  /** In the order of the file. An approval may allow some of them by index, from 0. */
  hunks: Hunk[];
}

/** One contiguous piece of a diff. Lines are counted from 1, as in a unified diff's header. */
export interface Hunk {
  oldStart: number;
  oldLines: number;
  newStart: number;
  newLines: number;
  /** The hunk's lines, each with its ` `, `-` or `+`. */
  text: string;
}

/** A sub-agent that wants something of the person. */
export interface Asker {
  /** The session's own call that it works for; the call that asks is one of those nested in it. */
  callId: string;
  /** Its name, after those of the sub-agents around it: `reviewer > sub-agent`. */
  name: string;
}

/** How an approval was resolved. */
export type ApprovalOutcome =
  /** The person allowed it. */
  | {
      type: "allowed";
      scope: ApprovalScope;
    }
  /** The person refused. */
  | {
      type: "denied";
      reason?: string;
    }
  /** It was not run because nobody could be asked. */
  | {
      type: "nobody";
      reason: string;
    }
  /** The turn ended before anybody answered. */
  | { type: "cancelled" };

/** How long an allowance lasts. */
export type ApprovalScope =
  /** This call only. */
  | "once"
  /** Calls that match the approval's rules, until the session is closed. */
  | "session"
  /** The same, kept for this project in the user's configuration folder. */
  | "project"
  /** The same, kept for all projects of this user. */
  | "user";

/** How a call ended. */
export type ToolStatus =
  | "ok"
  | "failed"
  | "denied"
  | "cancelled";

/** How full the model's context is after a model call: the whole conversation as it would go into the next. */
export interface ContextUse {
  /** As the provider counted them, or estimated where it did not. */
  tokens: number;
  /** `tokens / window`, from 0; above 1 what comes next does not fit. */
  share?: number;
  /** The most tokens that a prompt may have; absent if that is not known. */
  window?: number;
}

/** A question that waits for the person. It lives as an [`Approval`](super::Approval) does: it has an id, outlives a reconnect, and the first answer wins. */
export interface Question {
  questionId: string;
  sessionId: string;
  turnId: string;
  callId: string;
  text: string;
  /** What can be chosen; none if the answer is in words. */
  choices: Choice[];
  /** Whether an answer in words is welcome. Always true where there are no choices. */
  allowsText: boolean;
  /** The sub-agent that asks; absent if it is the session's own agent. */
  agent?: Asker;
}

/** An answer to choose. */
export interface Choice {
  label: string;
  /** What it means. */
  description?: string;
}

/** How a question was resolved. */
export type QuestionOutcome =
  /** The person answered. */
  | {
      type: "answered";
      answer: QuestionAnswer;
    }
  /** No client that watches can put it before a person. */
  | { type: "nobody" }
  /** The turn ended before anybody answered. */
  | { type: "cancelled" };

/** What the person says. */
export type QuestionAnswer =
  /** One of the choices. */
  | {
      type: "choice";
      /** From 0. */
      index: number;
    }
  /** Words of their own. */
  | {
      type: "text";
      text: string;
    }
  /** Nothing: the model is to decide. */
  | { type: "decline" };

/** A command that runs in the background, or did. */
export interface Task {
  /** `task-1` and so on, counted in its session. */
  taskId: string;
  /** The call that started it; of a sub-agent's call, with the calls around it: `call_1.call_7`. */
  callId: string;
  /** One line for a person: the command. */
  title: string;
  status: TaskStatus;
  /** Seconds since 1970-01-01T00:00:00Z. */
  startedAt: number;
  /** Seconds since 1970-01-01T00:00:00Z, once it ended. */
  endedAt?: number;
}

/** Whether a task runs, and how it ended. */
export type TaskStatus =
  | "running"
  | "cancelled"
  /** By itself; what it said last tells whether well. */
  | "ended"
  /** It ran into its time limit. */
  | "timedOut"
  /** It ended with the process that ran it. */
  | "lost";

/** Something to do. */
export interface PlanItem {
  text: string;
  status: PlanStatus;
}

/** How far something to do is. */
export type PlanStatus =
  | "pending"
  | "inProgress"
  | "completed";

/** A text that a prompt can name, as `/name arguments` or by a block `command`. */
export interface CommandInfo {
  /** Without the slash. */
  name: string;
  /** One line. */
  description: string;
  /** `user`, `project`, or the name of what else has it. */
  source: string;
  /** What may follow the name, for a person: `<issue> [priority]`. */
  arguments?: string;
}

/** How much a notice matters. */
export type NoticeLevel =
  | "info"
  | "warning"
  | "error";

/** Why a conversation was made shorter. */
export type CompactionReason =
  /** The model's context was nearly full. */
  | "share"
  /** There were many messages. */
  | "messages"
  /** The provider said that the prompt is too long. */
  | "rejected"
  /** A client asked for it by `session/compact`. */
  | "byHand";

/** Why a turn ended. */
export type TurnStopReason =
  | "stopSequence"
  /** The model had said what it wanted to say. */
  | "endTurn"
  /** The answer was cut at the token limit. */
  | "maxTokens"
  /** The model, or a filter of the provider, declined. */
  | "refusal"
  /** The turn used up its model calls; a new prompt goes on from here. */
  | "turnLimit"
  /** The person stopped it. */
  | "cancelled"
  /** It failed; `error` says how. */
  | "error"
  /** The process ended in the middle of it. */
  | "interrupted";

/** Starts a turn. Answers at once; what happens arrives as `session/event`. */
export interface TurnStartParams {
  sessionId: string;
  prompt: ContentBlock[];
  /** A JSON Schema of an object that the last answer is to be, as JSON. Providers do what they can, so it has to be checked. */
  outputSchema?: unknown;
  /** If a turn runs, wait for its end, behind those that wait already: the answer comes when the turn begins. Without it, the request is refused with -32003. */
  queue?: boolean;
}

/** The turn that was started. */
export interface TurnStartResponse {
  turnId: string;
}

/** Says something to the running turn. It reaches the model before its next call. */
export interface TurnSteerParams {
  sessionId: string;
  prompt: ContentBlock[];
}

/** Stops the running turn, its processes and its approvals. `turnEnded` follows within a second. */
export interface TurnCancelParams {
  sessionId: string;
  /** Whether to end what runs in the background of the session, too. */
  background?: boolean;
  /** Whether only to take back what this client has waiting (see `queue` of `turn/start`): what runs goes on. */
  waitingOnly?: boolean;
}

/** Whether there was a turn to stop. */
export interface TurnCancelResponse {
  cancelled: boolean;
}

/** Moves a running command into the background, so that the turn goes on. */
export interface TurnBackgroundParams {
  sessionId: string;
  /** The call that runs it; of a sub-agent's call, with the calls around it: `call_1.call_7`. */
  callId: string;
}

/** Whether there was a command to move. If so, `taskStarted` follows. */
export interface TurnBackgroundResponse {
  moved: boolean;
}

/** Answers an approval that any client was shown. */
export interface ApprovalRespondParams {
  approvalId: string;
  decision: ApprovalDecision;
}

/** What the person says. */
export type ApprovalDecision =
  /** Run it. */
  | {
      type: "allow";
      /** Only these hunks of the diff, by index from 0. */
      hunks?: number[];
      /** Run it with this input instead. */
      input?: unknown;
      /** Keep these rules for `scope`, instead of those that the approval shows. */
      rules?: string[];
      scope?: ApprovalScope;
    }
  /** Do not run it. The model reads the reason. */
  | {
      type: "deny";
      reason?: string;
    }
  /** Nobody can be asked here, so it is not run: for clients without a person, or that cannot show it. */
  | {
      type: "nobody";
      /** Why not, for the model and the person. */
      reason: string;
    }
  /** Do not run it, and stop the turn. */
  | { type: "cancelTurn" };

/** Whether this answer was the first. If not, the approval had been resolved before. */
export interface ApprovalRespondResponse {
  accepted: boolean;
}

/** Asks for what waits for the person. */
export interface ApprovalListParams {
  /** Only in this session; in all that are open when absent. */
  sessionId?: string;
}

/** What waits for the person, in each session in the order in which it came. */
export interface ApprovalListResponse {
  approvals: Approval[];
  questions: Question[];
}

/** Answers a question that any client was shown. */
export interface QuestionRespondParams {
  questionId: string;
  answer: QuestionAnswer;
}

/** Whether this answer was the first. If not, the question had been resolved before. */
export interface QuestionRespondResponse {
  accepted: boolean;
}

/** Lists what turns changed. */
export interface ChangeListParams {
  sessionId: string;
  /** Only of this turn. */
  turnId?: string;
}

/** In the order in which it was done. */
export interface ChangeListResponse {
  changes: FileChange[];
}

/** What one turn did to one file, or to a folder, as it stands now. All edits of a file in a turn are one change. */
export interface FileChange {
  turnId: string;
  /** The calls that did it, in order; of a sub-agent's call, with the calls around it: `call_1.call_7`. */
  callIds: string[];
  /** Where it is now, as the editor that has it open calls it; where it was, if it was deleted. */
  uri: string;
  kind: ChangeKind;
  state: ChangeState;
  /** Of `edit` and `create`, as they follow each other in the text; what is not in it any more comes last. */
  hunks: ChangeHunk[];
  /** Where it was before a `move`. */
  from?: string;
}

/** What was done to a file. */
export type ChangeKind =
  | "edit"
  | "delete"
  | "move"
  /** It was made, and perhaps edited after that. */
  | "create";

/** What has become of a change. */
export type ChangeState =
  /** It stands and can be taken back; of a file's hunks, at least one. */
  | "kept"
  /** It was taken back, by `change/revert` or by hand. */
  | "reverted"
  /** Somebody has changed it since: it stays as it is. */
  | "changedSince";

/** Whole lines that were put in the place of others. */
export interface ChangeHunk {
  /** For `change/revert`. It holds until the same turn edits the file again. */
  id: string;
  /** What was there before; empty if it only brought something. */
  old: string;
  /** What it brought; empty if it only took something away. */
  new: string;
  state: ChangeState;
  /** Where it stands in the text as it is now; of one that was taken back, where the old lines are. Absent if that cannot be told. */
  range?: DiagnosticRange;
}

export interface DiagnosticRange {
  start: DiagnosticPosition;
  end: DiagnosticPosition;
}

/** Both from 0; characters in the negotiated position encoding. */
export interface DiagnosticPosition {
  line: number;
  character: number;
}

/** Asks for the texts of a file that a turn changed. */
export interface ChangeTextParams {
  sessionId: string;
  turnId: string;
  /** As in `change/list`. */
  uri: string;
}

/** Two texts for a diff editor. */
export interface ChangeTextResponse {
  /** As it would be without what is left of the turn's changes. */
  before: string;
  /** As it is now; empty if it was deleted. */
  after: string;
}

/** Takes back what fits all that is given. One of `turnId`, `uri` and `hunks` must be. */
export interface ChangeRevertParams {
  sessionId: string;
  /** By their `id`. */
  hunks?: string[];
  turnId?: string;
  /** As in `change/list`. */
  uri?: string;
}

/** What came of it, the latest change first. What had been taken back before is in neither list. */
export interface ChangeRevertResponse {
  reverted: RevertedChange[];
  refused: RefusedChange[];
}

/** Something that was taken back. */
export interface RevertedChange {
  turnId: string;
  uri: string;
  /** None of a move or a deletion. */
  hunks: string[];
}

/** Something that stays as it is. */
export interface RefusedChange {
  turnId: string;
  uri: string;
  /** For the person. */
  reason: string;
  /** Absent for a move or a deletion. */
  hunk?: string;
}

/** Lists a session's background tasks. */
export interface TaskListParams {
  sessionId: string;
}

/** In the order in which they were started. */
export interface TaskListResponse {
  tasks: Task[];
}

/** Reads what a task has printed until now. */
export interface TaskReadParams {
  sessionId: string;
  taskId: string;
}

/** What a task has printed: head and tail, if it was much. */
export interface TaskReadResponse {
  task: Task;
  text: string;
}

/** Ends a task. Answers at once; `taskEnded` follows when its processes are gone. */
export interface TaskCancelParams {
  sessionId: string;
  taskId: string;
}

/** Whether it was running. */
export interface TaskCancelResponse {
  cancelled: boolean;
}

/** Lists the prompt commands. */
export interface CommandListParams {
  /** Those of this session's roots; of the editor's workspace folders when absent. */
  sessionId?: string;
}

/** The commands, by name. */
export interface CommandListResponse {
  commands: CommandInfo[];
}

/** Lists the models that can be chosen. */
export type ModelListParams = Record<string, never>;

export interface ModelListResponse {
  models: ModelInfo[];
  /** The model a new session gets; absent if none is configured. */
  default?: string;
}

/** A model that can be chosen. */
export interface ModelInfo {
  /** `provider/model`, as `session/configure` takes it. */
  id: string;
  provider: string;
  /** False if its key is missing; `hint` then says what to set. */
  ready: boolean;
  hint?: string;
  /** The most tokens of one answer; absent if that is not known. */
  maxOutput?: number;
  /** Absent if none is known. */
  prices?: Prices;
  /** The most tokens that a prompt may have; absent if that is not known. */
  window?: number;
}

/** US dollars for a million tokens, at the provider's standard rates as far as Pillion or the configuration knows them; long prompts may cost more. A price that is not known is absent, which is not nought. */
export interface Prices {
  /** For tokens read from the provider's cache. */
  cacheRead?: number;
  /** For tokens written to it. */
  cacheWrite?: number;
  /** For tokens written to it for an hour. */
  cacheWriteLong?: number;
  input?: number;
  output?: number;
}

/** Lists MCP servers and what has become of them. */
export interface McpListParams {
  /** Lists the servers that were brought for this session, too. */
  sessionId?: string;
}

export interface McpListResponse {
  servers: McpServerInfo[];
}

/** An MCP server as it is now. */
export interface McpServerInfo {
  name: string;
  state: McpServerState;
  /** How many of its tools the model is offered. */
  tools: number;
  /** What failed, while it is not ready. */
  error?: string;
}

/** What has become of an MCP server. */
export type McpServerState =
  | "ready"
  /** For the first time, or again after it ended. */
  | "starting"
  /** Given up; it is tried again when the settings are read again. */
  | "failed"
  /** Switched off in the settings. */
  | "disabled";

/** The request that puts an [`Approval`] before the person. */
export interface ApprovalRequestParams {
  approval: Approval;
}

/** The request that puts a [`Question`] before the person. */
export interface QuestionRequestParams {
  question: Question;
}

/** Asks the editor what its language servers, compilers and linters say. */
export interface EditorDiagnosticsParams {
  /** Only of these documents; of all that the editor knows something about when absent. */
  uris?: string[];
}

/** What the editor knows now. A document that was asked for and has nothing wrong is there with no items. */
export interface EditorDiagnosticsResponse {
  files?: DocumentDiagnostics[];
}

/** What is wrong in one document. */
export interface DocumentDiagnostics {
  uri: string;
  items: Diagnostic[];
  /** The version of the open document that all of them are for. Absent if that is not known; older than the document's if something has not been checked again since it changed. */
  version?: number;
}

/** As LSP has it. */
export interface Diagnostic {
  range: DiagnosticRange;
  message: string;
  /** A number or a string. */
  code?: unknown;
  /** 1 error, 2 warning, 3 information, 4 hint. */
  severity?: number;
  /** Who says so, for example `rustc`. */
  source?: string;
}

/** Asks what the person has before them. */
export type EditorContextParams = Record<string, never>;

/** What the person has before them now. */
export interface EditorContextResponse {
  /** The document that the person is in, or was in last. Pillion's own windows are none. */
  active?: ActiveDocument;
  /** The URIs of all that are open, shown or not. */
  open?: string[];
  /** Those that are shown in a window, once for each window. */
  visible?: VisibleDocument[];
}

/** The document that the person is in. */
export interface ActiveDocument {
  uri: string;
  cursor: EditorPosition;
  /** Absent if nothing is selected. */
  selection?: EditorSelection;
  /** The version of the open document that the places are in, if it is known. */
  version?: number;
}

/** Both from 0; columns in the negotiated position encoding. */
export interface EditorPosition {
  line: number;
  column: number;
}

/** What is selected, by places as that of the cursor; the end is right behind the last character. */
export interface EditorSelection {
  startLine: number;
  startColumn: number;
  endLine: number;
  endColumn: number;
  text: string;
}

/** What a window shows of a document: lines from 0, both included. */
export interface VisibleDocument {
  uri: string;
  startLine: number;
  endLine: number;
}

/** Asks the editor to save these buffers, because a command is about to read the disk. */
export interface EditorSaveParams {
  uris: string[];
}

/** Which buffers could not be saved. */
export interface EditorSaveResponse {
  failed?: string[];
}

/** What a client says under `capabilities.experimental.pillion` of `initialize`. What it does not declare is done by standard LSP means. */
export interface ClientCapabilities {
  /** It answers `approval/request`; else approvals are `window/showMessageRequest`. */
  approvalRequest?: boolean;
  /** It answers `editor/context`; else the model is told that it cannot be known. */
  editorContext?: boolean;
  /** It answers `editor/diagnostics`; else the model is told that there are none to be had. */
  editorDiagnostics?: boolean;
  /** It answers `editor/save`; else commands that see stale files say so. */
  editorSave?: boolean;
  /** It answers `question/request`; else a question with choices is `window/showMessageRequest`, and one without reaches nobody here. */
  questionRequest?: boolean;
  /** It shows `session/event`; else turns are started and shown by what every LSP client has. */
  sessionEvent?: boolean;
}

/** Subscribes to a stored or running session. */
export interface SessionEventsParams {
  sessionId: string;
  /** Replays the events from this number on (1 for all), before any new one. Without it nothing is replayed. */
  fromSeq?: number;
}

/** Introduces who attaches. */
export interface AttachParams {
  /** Of the protocol; any other than the server's own is refused. */
  protocolVersion: number;
  /** Of Pillion. */
  version: string;
  /** What the events call it, for example `terminal`. */
  name: string;
  /** Only `approvalRequest` and `questionRequest` matter. */
  capabilities?: ClientCapabilities;
  /** It answers `file/read` with `FileReadParams`, about files that no editor has open. */
  readsFiles?: boolean;
  /** It answers `file/write` with `FileWriteParams`, too. */
  writesFiles?: boolean;
}

/** Introduces whom it attaches to. */
export interface AttachResponse {
  protocolVersion: number;
  /** Of Pillion. */
  version: string;
  processId: number;
  /** The folders it works in, as absolute paths. */
  roots: string[];
}

/** What does who attaches show of a file? */
export interface FileReadParams {
  /** Absolute, without symlinks. */
  path: string;
}

/** The answer to `file/read`. */
export interface FileReadResponse {
  /** Saved or not; absent if it has no say about this file, and then the disk counts. */
  text?: string;
}

/** A text to be shown in the place of another. Answered with an empty object once it is. */
export interface FileWriteParams {
  /** Absolute, without symlinks. */
  path: string;
  text: string;
}
