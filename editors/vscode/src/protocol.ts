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
  /** Changes model, mode or limits: the mode at once, the rest from the next turn on. */
  "session/configure": { params: SessionConfigureParams; result: SessionInfo };
  /** Starts a turn and answers at once. One turn runs at a time in a session. */
  "turn/start": { params: TurnStartParams; result: TurnStartResponse };
  /** Says something to the running turn. */
  "turn/steer": { params: TurnSteerParams; result: Empty };
  /** Stops the running turn. Answers at once; its processes are gone within a second. */
  "turn/cancel": { params: TurnCancelParams; result: TurnCancelResponse };
  /** Answers an approval. The first answer wins. */
  "approval/respond": { params: ApprovalRespondParams; result: ApprovalRespondResponse };
  /** Lists the models that can be chosen. */
  "model/list": { params: ModelListParams; result: ModelListResponse };
}

/** Requests from the server, sent only to clients that declared that they answer them. */
export interface ClientRequests {
  /** Puts a call before the person. Withdrawn by `$/cancelRequest` when it was answered elsewhere or the turn ended. */
  "approval/request": { params: ApprovalRequestParams; result: ApprovalDecision };
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
  mode?: Mode;
  /** `provider/model`; the configured default when absent. */
  model?: string;
  /** Folders the session works in, as paths or `file:` URIs; the editor's workspace folders when absent. */
  roots?: string[];
}

/** What a turn may use up. Absent means the configured default. */
export interface Limits {
  /** The most tokens of one model call. */
  maxTokens?: number;
  /** Sampling temperature, as the provider defines it: 0 to 2. */
  temperature?: number;
  /** Tokens the model may reason with before it answers; 0 switches reasoning off. */
  thinkingTokens?: number;
  /** The most model calls in one turn (default 50). */
  turnLimit?: number;
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

/** A session as it is now. */
export interface SessionInfo {
  sessionId: string;
  /** The first words of its first prompt; empty before that. */
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
  /** Prompt tokens that were neither read from nor written to a cache. */
  inputTokens?: number;
  /** Generated tokens, reasoning included. */
  outputTokens?: number;
  /** The part of `outputTokens` that was reasoning. */
  reasoningTokens?: number;
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
}

/** Stops watching a session. Its turn is cancelled when nobody watches it any more; its log stays. */
export interface SessionCloseParams {
  sessionId: string;
}

/** Nothing more to say. */
export type Empty = Record<string, never>;

/** Changes a session's settings: the mode at once, the rest from the next turn on. What is absent stays. */
export interface SessionConfigureParams {
  sessionId: string;
  limits?: Limits;
  mode?: Mode;
  model?: string;
}

/** Starts a turn. Answers at once; what happens arrives as `session/event`. */
export interface TurnStartParams {
  sessionId: string;
  prompt: ContentBlock[];
}

/** A part of a prompt. */
export type ContentBlock =
  /** Plain text. */
  | {
      type: "text";
      text: string;
    }
  /** An image, base64-encoded. */
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
}

/** Whether there was a turn to stop. */
export interface TurnCancelResponse {
  cancelled: boolean;
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
      scope?: ApprovalScope;
    }
  /** Do not run it. The model reads the reason. */
  | {
      type: "deny";
      reason?: string;
    }
  /** Do not run it, and stop the turn. */
  | { type: "cancelTurn" };

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

/** Whether this answer was the first. If not, the approval had been resolved before. */
export interface ApprovalRespondResponse {
  accepted: boolean;
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
}

/** The request that puts an [`Approval`] before the person. */
export interface ApprovalRequestParams {
  approval: Approval;
}

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
  /** The command line, if it would run one. */
  command?: string;
  /** What would change, if it would edit. */
  diff?: FileDiff;
  /** Why this one deserves a closer look. */
  risk?: string;
}

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

/** Asks the editor to save these buffers, because a command is about to read the disk. */
export interface EditorSaveParams {
  uris: string[];
}

/** Which buffers could not be saved. */
export interface EditorSaveResponse {
  failed?: string[];
}

/** A fact in a session's log, as clients get it. */
export interface SessionEventNotification {
  sessionId: string;
  /** From 1, without gaps. */
  seq: number;
  event: SessionEvent;
}

/** What happened. The last event of a turn is `turnEnded`, exactly once, and nothing of the turn follows it. */
export type SessionEvent =
  /** A turn began with this prompt. */
  | {
      type: "turnStarted";
      turnId: string;
      prompt: ContentBlock[];
    }
  /** The person said this to the running turn. */
  | {
      type: "turnSteered";
      prompt: ContentBlock[];
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
  /** One model call's tokens, and the turn's so far. */
  | {
      type: "usage";
      round: Usage;
      turn: Usage;
    }
  /** A model call failed before any output was shown and will be tried again. */
  | {
      type: "retry";
      /** The number of the try that comes next, from 2. */
      attempt: number;
      delayMs: number;
      /** What failed. */
      error: string;
    }
  /** The session's settings changed. */
  | {
      type: "sessionConfigured";
      model: string;
      mode: Mode;
      limits: Limits;
    }
  /** Something the person should know. */
  | {
      type: "notice";
      level: NoticeLevel;
      message: string;
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
  /** The turn ended before anybody answered. */
  | { type: "cancelled" };

/** How a call ended. */
export type ToolStatus =
  | "ok"
  | "failed"
  | "denied"
  | "cancelled";

/** How much a notice matters. */
export type NoticeLevel =
  | "info"
  | "warning"
  | "error";

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

/** What a client says under `capabilities.experimental.pillion` of `initialize`. What it does not declare is done by standard LSP means. */
export interface ClientCapabilities {
  /** It answers `approval/request`; else approvals are `window/showMessageRequest`. */
  approvalRequest?: boolean;
  /** It answers `editor/save`; else commands that see stale files say so. */
  editorSave?: boolean;
  /** It shows `session/event`; else a turn is shown by `$/progress` and its answer by `window/showMessage`. */
  sessionEvent?: boolean;
}
