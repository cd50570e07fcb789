// What the extension and its chat view say to each other.

import type { Approval, ApprovalDecision, ContentBlock, Mode, ModelInfo, SessionEvent } from "./protocol";

/** To the view. */
export type ToView =
  /** All there is, for a view that was just made or shows another session. */
  | { type: "reset"; events: SessionEvent[]; status: Status }
  | { type: "events"; events: SessionEvent[] }
  | { type: "status"; status: Status }
  | { type: "approvals"; approvals: Approval[] }
  /** Puts something into the prompt: text, or a mention. */
  | { type: "insert"; blocks: ContentBlock[]; focus: boolean }
  | { type: "completions"; request: number; items: Completion[] }
  /** Something went wrong with what the view asked for. The prompt, if there was one, comes back. */
  | { type: "failed"; message: string; prompt?: ContentBlock[] };

/** From the view. */
export type FromView =
  | { type: "ready" }
  | { type: "say"; prompt: ContentBlock[]; how: "queue" | "steer" }
  | { type: "unqueue"; id: number }
  | { type: "stop" }
  | { type: "decide"; approvalId: string; decision: ApprovalDecision }
  | { type: "showDiff"; approvalId: string }
  | { type: "openFile"; path: string; line?: number }
  | { type: "copy"; text: string }
  | { type: "insertCode"; text: string }
  | { type: "configure"; model?: string; mode?: Mode }
  | { type: "complete"; request: number; query: string }
  | { type: "command"; command: "newSession" | "pickSession" | "doctor" | "setKey" };

export interface Status {
  running: boolean;
  /** Whether there is a server to talk to. */
  connected: boolean;
  model: string | undefined;
  mode: Mode;
  models: ModelInfo[];
  title: string;
  queue: { id: number; text: string }[];
}

/** A mention to choose. */
export interface Completion {
  label: string;
  detail: string;
  block: ContentBlock;
}
