// One session that this window watches: what was told of it, and what waits to be said to it.

import { promptText } from "./context";
import { Log } from "./log";
import type { Stamped } from "./messages";
import type { ContentBlock, SessionEvent, SessionInfo } from "./protocol";

/** A prompt that waits for the running turn to end. */
export interface Queued {
  id: number;
  prompt: ContentBlock[];
}

/** While its past is on the way. */
const LOADING = Number.MAX_SAFE_INTEGER;

/** Of a first prompt, what names its session, in characters. */
const TITLE = 60;

export class Session {
  /** The turn that runs. */
  turnId: string | undefined;
  queue: Queued[] = [];
  /** A prompt is on its way. */
  isStarting = false;
  /** The server that had it open is gone: it has to be loaded again. */
  isLost = false;
  /** Why it could not be loaded again. */
  refusal: string | undefined;
  lastSeq = 0;
  private readonly log = new Log();
  /** Up to here, events are of before this window watched. */
  private replayedTo: number;
  private readonly tasks = new Set<string>();

  /** One that was just begun, or one that is yet to be loaded. */
  constructor(
    readonly id: string,
    public info: SessionInfo | undefined,
  ) {
    this.replayedTo = info === undefined ? LOADING : 0;
  }

  /** Its past, the oldest first. */
  get events(): readonly Stamped[] {
    return this.log.events;
  }

  /** What the person called it, else how its first prompt begins. */
  get title(): string {
    const first = this.events.find(({ event }) => event.type === "turnStarted")?.event;
    const prompt = first?.type === "turnStarted" ? promptText(first.prompt) : "";
    return this.info?.title || prompt.slice(0, TITLE);
  }

  /** Whether something goes on in it, or waits to: closing it would end that. */
  get isBusy(): boolean {
    const runs = this.turnId !== undefined || this.isStarting || this.tasks.size > 0;
    return runs || this.queue.length > 0 || this.replayedTo === LOADING;
  }

  loaded(info: SessionInfo): void {
    this.info = info;
    this.turnId = info.turnId;
    this.isLost = false;
    this.refusal = undefined;
    if (this.replayedTo === LOADING) {
      this.replayedTo = info.lastSeq;
    }
  }

  /** The server is gone, and with it all that ran there. */
  lose(): void {
    this.isLost = true;
    this.turnId = undefined;
    this.tasks.clear();
  }

  /** A turn was begun. Its events may have come before this was known, up to its end. */
  started(turnId: string): void {
    if (!this.events.some(({ event }) => event.type === "turnEnded" && event.turnId === turnId)) {
      this.turnId = turnId;
    }
  }

  /** Adds an event; nothing if it came before. */
  take(seq: number, event: SessionEvent): Stamped | undefined {
    if (seq <= this.lastSeq) {
      return undefined;
    }
    this.lastSeq = seq;
    const at = seq > this.replayedTo ? Date.now() : undefined;
    this.log.push(event, at);
    this.follow(event);
    return at === undefined ? { event } : { event, at };
  }

  private follow(event: SessionEvent): void {
    switch (event.type) {
      case "turnStarted":
        this.turnId = event.turnId;
        break;
      case "turnEnded":
        this.turnId = undefined;
        break;
      case "taskStarted":
        this.tasks.add(event.task.taskId);
        break;
      case "taskEnded":
        this.tasks.delete(event.task.taskId);
        break;
      case "nested":
        if (event.event.type === "taskStarted" || event.event.type === "taskEnded") {
          this.follow(event.event);
        }
        break;
      case "sessionRenamed":
        this.info = this.info && { ...this.info, title: event.title };
        break;
      case "sessionConfigured":
        this.info = this.info && { ...this.info, model: event.model, mode: event.mode, limits: event.limits };
        break;
      default:
        break;
    }
  }
}
