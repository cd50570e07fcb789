// What the extension and its chat view say to each other.

import type {
  Approval,
  ApprovalDecision,
  CommandInfo,
  ContentBlock,
  Mode,
  ModelInfo,
  Question,
  QuestionAnswer,
  SessionEvent,
  SessionInfo,
} from "./protocol";

/** An event, and when it was seen to happen, in milliseconds since 1970. What happened before has no time. */
export interface Stamped {
  event: SessionEvent;
  at?: number;
}

/** To the view. */
export type ToView =
  /** All there is, for a view that was just made or shows another session. */
  | { type: "reset"; events: Stamped[]; status: Status }
  | { type: "events"; events: Stamped[] }
  | { type: "status"; status: Status }
  /** What waits for the person, in the order in which it came; `elsewhere` names the sessions that are not shown, by id. */
  | { type: "waiting"; approvals: Approval[]; questions: Question[]; elsewhere: Record<string, string> }
  /** Puts something into the prompt: text, or a mention. */
  | { type: "insert"; blocks: ContentBlock[]; focus: boolean }
  /** What can be mentioned. Replaces what came before for the same request. */
  | { type: "completions"; request: number; items: Completion[] }
  | { type: "commands"; commands: CommandInfo[] }
  | { type: "sessions"; sessions: SessionInfo[]; current: string | undefined }
  /** Shows the list of sessions, or the prompt. */
  | { type: "show"; what: "sessions" | "prompt" }
  /** Something went wrong with what the view asked for. The prompt, if there was one, comes back. */
  | { type: "failed"; message: string; prompt?: ContentBlock[] }
  /** Something is to be done first. The view may show it already; the prompt comes back. */
  | { type: "notYet"; message: string; prompt: ContentBlock[] };

/** From the view. */
export type FromView =
  | { type: "ready" }
  | { type: "say"; prompt: ContentBlock[]; how: How }
  /** Takes a waiting prompt out of the queue: back into the prompt, to be said now, or away. */
  | { type: "unqueue"; id: number; how: How | "edit" | "drop" }
  | { type: "stop" }
  | { type: "decide"; approvalId: string; decision: ApprovalDecision }
  | { type: "answer"; questionId: string; answer: QuestionAnswer }
  | { type: "showDiff"; approvalId: string }
  | { type: "openFile"; path: string; line?: number }
  /** Shows a text in an editor of its own. */
  | { type: "openText"; text: string }
  | { type: "copy"; text: string }
  | { type: "insertCode"; text: string }
  | { type: "applyCode"; text: string; language: string }
  | { type: "configure"; model?: string; mode?: Mode }
  | { type: "complete"; request: number; query: string }
  | { type: "listCommands" }
  | { type: "listSessions" }
  | { type: "openSession"; sessionId: string }
  /** Goes on in another session from the end of this turn, or of the last. */
  | { type: "forkSession"; sessionId?: string; turnId?: string }
  | { type: "renameSession"; sessionId: string; title: string }
  | { type: "deleteSession"; sessionId: string }
  | { type: "background"; callId: string }
  | { type: "readTask"; taskId: string }
  | { type: "cancelTask"; taskId: string }
  | { type: "compact" }
  | { type: "command"; command: "newSession" | "doctor" | "setKey" | "restartServer" | "setServerPath" | "showLog" };

/** `queue` waits for the end of the running turn, `steer` is said to it. */
export type How = "queue" | "steer";

export interface Status {
  running: boolean;
  /** Whether there is a server to talk to. */
  connected: boolean;
  /** Why there is none, if one is not just being started. */
  trouble: Trouble | undefined;
  sessionId: string | undefined;
  /** The session's, or the one that a new session would get. */
  model: string | undefined;
  /** The same; nothing if that is as the settings have it. */
  mode: Mode | undefined;
  models: ModelInfo[];
  title: string;
  queue: { id: number; text: string }[];
}

/** Why the server does not run, and what the person can do about it. */
export interface Trouble {
  message: string;
  remedy: "setServerPath" | "restartServer" | "doctor";
}

/** A mention to choose. */
export interface Completion {
  label: string;
  detail: string;
  block: ContentBlock;
}
