// What a session's events leave behind, so that a view that is made anew can show all of it.

import type { Stamped } from "./messages";
import type { SessionEvent } from "./protocol";

/** Of one call's live output, as much as is kept for that, in characters; the oldest. Its result has what counts. */
const KEPT_OUTPUT = 8_000_000;

export class Log {
  private stamped: Stamped[] = [];

  get events(): readonly Stamped[] {
    return this.stamped;
  }

  /** Adds an event. Pieces of one text become one event. */
  push(event: SessionEvent, at: number | undefined): void {
    const last = this.stamped.at(-1);
    if (last !== undefined && joined(last.event, event)) {
      return;
    }
    const own = structuredClone(event);
    this.stamped.push(at === undefined ? { event: own } : { event: own, at });
  }
}

/** Where the output ends that an event of several pieces holds, in bytes: counting it anew would take the square of it. */
const ends = new WeakMap<SessionEvent, number>();

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Adds `more` to `last`, if it goes on with the same text. */
export function joined(last: SessionEvent, more: SessionEvent): boolean {
  if (
    (last.type === "messageDelta" && more.type === "messageDelta") ||
    (last.type === "reasoningDelta" && more.type === "reasoningDelta")
  ) {
    last.text += more.text;
    return true;
  }
  if (last.type === "toolProgress" && more.type === "toolProgress" && last.callId === more.callId) {
    // After a gap, a new event says where the text goes on.
    const end = ends.get(last) ?? last.offset + byteLength(last.text);
    if (more.offset !== end || last.text.length > KEPT_OUTPUT) {
      return last.text.length > KEPT_OUTPUT;
    }
    last.text += more.text;
    ends.set(last, end + byteLength(more.text));
    return true;
  }
  if (last.type === "toolPreparing" && more.type === "toolPreparing" && last.tool === more.tool) {
    last.bytes = more.bytes;
    return true;
  }
  return last.type === "nested" && more.type === "nested" && last.callId === more.callId
    ? joined(last.event, more.event)
    : false;
}
