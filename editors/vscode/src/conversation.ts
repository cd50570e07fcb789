// The conversation on the screen: one session, its events, what is being said to it. Another session whose turn runs
// goes on behind it.

import * as vscode from "vscode";
import { Log } from "./log";
import type { How, Stamped } from "./messages";
import type {
  ContentBlock,
  Mode,
  SessionConfigureParams,
  SessionEvent,
  SessionEventNotification,
  SessionInfo,
} from "./protocol";
import type { Server } from "./server";

/** A prompt that waits for the running turn to end. */
export interface Queued {
  id: number;
  prompt: ContentBlock[];
}

/** Where the id of the session that was shown last is kept, for when the window is opened again. */
const LAST = "pillion.lastSession";

export class Conversation implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  /** The session, its settings, whether a turn runs, or the queue changed. */
  readonly onChanged = this.changed.event;
  private readonly happened = new vscode.EventEmitter<SessionEvent[]>();
  /** Events of the session, in order, as they come. */
  readonly onEvents = this.happened.event;
  private readonly stamped = new vscode.EventEmitter<Stamped>();
  /** The same, with the time; what happened before this window watched has none. */
  readonly onStamped = this.stamped.event;
  private readonly began = new vscode.EventEmitter<void>();
  /** Another session is shown from here on, from its beginning. */
  readonly onReset = this.began.event;

  info: SessionInfo | undefined;
  /** The turn that runs. */
  turnId: string | undefined;
  /** The past of the session. */
  private log = new Log();
  queue: Queued[] = [];
  /** What a session that is begun by the first prompt gets. */
  private wanted: Omit<SessionConfigureParams, "sessionId"> = {};
  private lastSeq = 0;
  /** Up to here, events are of before this window watched. */
  private replayedTo = 0;
  private queued = 0;
  /** Sessions that are not shown and whose turn runs: they are watched until its end. */
  private readonly behind = new Set<string>();
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly server: Server,
    private readonly memory: vscode.Memento,
  ) {
    server.hear("session/event", (notification) => this.take(notification));
    this.subscriptions = [
      server.onState((running) => {
        if (running) {
          void this.resume();
        } else {
          this.turnId = undefined;
          this.behind.clear();
          this.changed.fire();
        }
      }),
    ];
  }

  get events(): readonly Stamped[] {
    return this.log.events;
  }

  get mode(): Mode {
    return this.info?.mode ?? this.wanted.mode ?? "ask";
  }

  /** `provider/model`; `undefined` while no session has begun and nobody chose one. */
  get model(): string | undefined {
    return this.info?.model ?? this.wanted.model;
  }

  /** Says this: starts a turn, or puts it behind the one that runs. Starts a session where there is none. */
  async say(prompt: ContentBlock[], how: How = "queue"): Promise<void> {
    if (this.turnId !== undefined && this.info !== undefined) {
      if (how === "steer") {
        await this.server.request("turn/steer", { sessionId: this.info.sessionId, prompt });
        return;
      }
      this.queued += 1;
      this.queue.push({ id: this.queued, prompt });
      this.changed.fire();
      return;
    }
    const session = this.info ?? (await this.begin());
    const { turnId } = await this.server.request("turn/start", { sessionId: session.sessionId, prompt });
    // Its events may have come before this answer was looked at, up to its end.
    if (!this.events.some(({ event }) => event.type === "turnEnded" && event.turnId === turnId)) {
      this.turnId = turnId;
    }
    this.changed.fire();
  }

  /** Takes a prompt out of the queue. */
  unqueue(id: number): Queued | undefined {
    const queued = this.queue.find((waiting) => waiting.id === id);
    this.queue = this.queue.filter((waiting) => waiting.id !== id);
    this.changed.fire();
    return queued;
  }

  /** Stops the turn. What waits behind it stays, to be sent or taken back by the person. */
  async stop(): Promise<void> {
    if (this.info !== undefined) {
      await this.server.request("turn/cancel", { sessionId: this.info.sessionId });
    }
  }

  /** Leaves the session for one that begins with the next prompt. */
  async clear(): Promise<void> {
    const { model, mode } = this;
    this.wanted = { mode, ...(model === undefined ? {} : { model }) };
    const left = this.leave();
    this.show(undefined);
    await left;
  }

  async begin(): Promise<SessionInfo> {
    await this.leave();
    const info = await this.server.request("session/new", this.wanted);
    this.show(info);
    return info;
  }

  async open(sessionId: string): Promise<void> {
    if (this.isShown(sessionId)) {
      return;
    }
    await this.leave();
    // Its events come with the answer or before it, and only those of this session are taken.
    this.show({ sessionId } as SessionInfo);
    this.replayedTo = Number.MAX_SAFE_INTEGER;
    let info: SessionInfo;
    try {
      info = await this.server.request("session/load", { sessionId, fromSeq: 1 });
    } catch (error) {
      if (this.isShown(sessionId)) {
        this.show(undefined);
      }
      throw error;
    }
    if (!this.isShown(sessionId)) {
      return;
    }
    this.info = info;
    this.behind.delete(sessionId);
    this.replayedTo = info.lastSeq;
    this.turnId = info.turnId;
    this.changed.fire();
  }

  /** Goes on from the end of a turn, or of the last, in another session. */
  async fork(sessionId: string, turnId?: string): Promise<void> {
    const until = turnId === undefined ? {} : { turnId };
    const fork = await this.server.request("session/fork", { sessionId, ...until });
    await this.open(fork.sessionId);
  }

  async rename(sessionId: string, title: string): Promise<void> {
    await this.server.request("session/rename", { sessionId, title });
  }

  async delete(sessionId: string): Promise<void> {
    const isShown = this.isShown(sessionId);
    if (isShown || this.behind.delete(sessionId)) {
      await this.server.request("session/close", { sessionId });
    }
    if (isShown) {
      this.show(undefined);
    }
    await this.server.request("session/delete", { sessionId });
  }

  /** Changes the session, or what the next one begins with. */
  async configure(settings: Omit<SessionConfigureParams, "sessionId">): Promise<void> {
    if (this.info === undefined) {
      this.wanted = { ...this.wanted, ...settings };
    } else {
      const { sessionId } = this.info;
      this.info = await this.server.request("session/configure", { sessionId, ...settings });
    }
    this.changed.fire();
  }

  async compact(): Promise<void> {
    if (this.info !== undefined) {
      await this.server.request("session/compact", { sessionId: this.info.sessionId });
    }
  }

  dispose(): void {
    for (const subscription of this.subscriptions) {
      subscription.dispose();
    }
    this.changed.dispose();
    this.happened.dispose();
    this.stamped.dispose();
    this.began.dispose();
  }

  /** Still: the person may have gone to another one while the server was asked. */
  private isShown(sessionId: string): boolean {
    return this.info?.sessionId === sessionId;
  }

  private show(info: SessionInfo | undefined): void {
    this.info = info;
    this.turnId = info?.turnId;
    this.log = new Log();
    this.queue = [];
    this.lastSeq = 0;
    this.replayedTo = 0;
    void this.memory.update(LAST, info?.sessionId);
    this.began.fire();
    this.changed.fire();
  }

  private async leave(): Promise<void> {
    const left = this.info;
    this.info = undefined;
    if (left === undefined || !this.server.isRunning) {
      return;
    }
    if (this.turnId !== undefined) {
      this.behind.add(left.sessionId);
    } else {
      await this.server.request("session/close", { sessionId: left.sessionId }).catch(() => undefined);
    }
  }

  /** Goes on after the server was started anew: nothing that was seen comes again, nothing that was missed is lost. */
  private async resume(): Promise<void> {
    if (this.info === undefined) {
      await this.reopen();
      return;
    }
    const { sessionId } = this.info;
    try {
      const info = await this.server.request("session/load", { sessionId, fromSeq: this.lastSeq + 1 });
      if (this.isShown(sessionId)) {
        this.info = info;
        this.turnId = info.turnId;
      }
    } catch (error) {
      this.server.log.warn(`the session ${sessionId} cannot be resumed: ${String(error)}`);
      if (this.isShown(sessionId)) {
        this.info = undefined;
      }
    }
    this.changed.fire();
  }

  /** Shows the session that this window showed last. */
  private async reopen(): Promise<void> {
    const sessionId = this.memory.get<string>(LAST);
    if (sessionId !== undefined) {
      // It may be gone, or another window has it open.
      await this.open(sessionId).catch((error: unknown) => this.server.log.info(String(error)));
    }
  }

  private take({ sessionId, seq, event }: SessionEventNotification): void {
    if (sessionId !== this.info?.sessionId) {
      if (event.type === "turnEnded" && this.behind.delete(sessionId)) {
        this.server.request("session/close", { sessionId }).catch(() => undefined);
      }
      return;
    }
    if (seq <= this.lastSeq) {
      return;
    }
    this.lastSeq = seq;
    const at = seq > this.replayedTo ? Date.now() : undefined;
    this.log.push(event, at);
    this.stamped.fire(at === undefined ? { event } : { event, at });
    this.happened.fire([event]);
    this.follow(event);
  }

  private follow(event: SessionEvent): void {
    if (event.type === "turnStarted") {
      this.turnId = event.turnId;
      this.changed.fire();
    } else if (event.type === "turnEnded") {
      this.turnId = undefined;
      this.changed.fire();
      if (event.stopReason === "endTurn") {
        this.sendNext();
      }
    } else if (event.type === "sessionRenamed" && this.info !== undefined) {
      this.info = { ...this.info, title: event.title };
      this.changed.fire();
    } else if (event.type === "sessionConfigured" && this.info !== undefined) {
      this.info = { ...this.info, model: event.model, mode: event.mode, limits: event.limits };
      this.changed.fire();
    }
  }

  private sendNext(): void {
    const next = this.queue.shift();
    if (next !== undefined) {
      this.say(next.prompt).catch((error: unknown) => {
        this.queue.unshift(next);
        this.changed.fire();
        this.server.log.error(String(error));
      });
    }
  }
}
