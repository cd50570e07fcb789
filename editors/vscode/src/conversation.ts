// The conversation on the screen: one session, its events, what is being said to it.

import * as vscode from "vscode";
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

export class Conversation implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  /** The session, its settings, whether a turn runs, or the queue changed. */
  readonly onChanged = this.changed.event;
  private readonly happened = new vscode.EventEmitter<SessionEvent[]>();
  /** Events of the session, in order, as they come. */
  readonly onEvents = this.happened.event;
  private readonly began = new vscode.EventEmitter<void>();
  /** Another session is shown from here on, from its beginning. */
  readonly onReset = this.began.event;

  info: SessionInfo | undefined;
  /** The turn that runs. */
  turnId: string | undefined;
  /** The past of the session. Adjacent deltas are one. */
  events: SessionEvent[] = [];
  queue: Queued[] = [];
  private lastSeq = 0;
  private queued = 0;
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly server: Server) {
    server.hear("session/event", (notification) => this.take(notification));
    this.subscriptions = [
      server.onState((running) => {
        if (running) {
          void this.resume();
        } else {
          this.turnId = undefined;
          this.changed.fire();
        }
      }),
    ];
  }

  /** Says this: starts a turn, or puts it behind the one that runs. Starts a session where there is none. */
  async say(prompt: ContentBlock[]): Promise<void> {
    if (this.turnId !== undefined) {
      this.queued += 1;
      this.queue.push({ id: this.queued, prompt });
      this.changed.fire();
      return;
    }
    const session = this.info ?? (await this.begin());
    const { turnId } = await this.server.request("turn/start", { sessionId: session.sessionId, prompt });
    // Its events may have come before this answer was looked at, up to its end.
    if (!this.events.some((event) => event.type === "turnEnded" && event.turnId === turnId)) {
      this.turnId = turnId;
    }
    this.changed.fire();
  }

  /** Says this to the running turn, which reads it before its next model call. */
  async steer(prompt: ContentBlock[]): Promise<void> {
    if (this.info === undefined || this.turnId === undefined) {
      await this.say(prompt);
      return;
    }
    await this.server.request("turn/steer", { sessionId: this.info.sessionId, prompt });
  }

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

  async begin(): Promise<SessionInfo> {
    await this.leave();
    const info = await this.server.request("session/new", {});
    this.show(info);
    return info;
  }

  async open(sessionId: string): Promise<void> {
    await this.leave();
    // Its events come with the answer or before it, and only those of this session are taken.
    this.show({ sessionId } as SessionInfo);
    this.info = await this.server.request("session/load", { sessionId, fromSeq: 1 });
    this.turnId = this.info.turnId;
    this.changed.fire();
  }

  async configure(settings: Omit<SessionConfigureParams, "sessionId">): Promise<void> {
    const { sessionId } = this.info ?? (await this.begin());
    this.info = await this.server.request("session/configure", { sessionId, ...settings });
    this.changed.fire();
  }

  get mode(): Mode | undefined {
    return this.info?.mode;
  }

  dispose(): void {
    for (const subscription of this.subscriptions) {
      subscription.dispose();
    }
    this.changed.dispose();
    this.happened.dispose();
    this.began.dispose();
  }

  private show(info: SessionInfo): void {
    this.info = info;
    this.turnId = info.turnId;
    this.events = [];
    this.queue = [];
    this.lastSeq = 0;
    this.began.fire();
    this.changed.fire();
  }

  private async leave(): Promise<void> {
    const left = this.info;
    this.info = undefined;
    if (left !== undefined && this.server.isRunning) {
      await this.server.request("session/close", { sessionId: left.sessionId }).catch(() => undefined);
    }
  }

  /** Goes on after the server was started anew: nothing that was seen comes again, nothing that was missed is lost. */
  private async resume(): Promise<void> {
    if (this.info === undefined) {
      return;
    }
    const { sessionId } = this.info;
    try {
      this.info = await this.server.request("session/load", { sessionId, fromSeq: this.lastSeq + 1 });
      this.turnId = this.info.turnId;
    } catch (error) {
      this.server.log.warn(`the session ${sessionId} cannot be resumed: ${String(error)}`);
      this.info = undefined;
    }
    this.changed.fire();
  }

  private take({ sessionId, seq, event }: SessionEventNotification): void {
    if (sessionId !== this.info?.sessionId || seq <= this.lastSeq) {
      return;
    }
    this.lastSeq = seq;
    const last = this.events.at(-1);
    if (event.type === "messageDelta" && last?.type === "messageDelta") {
      last.text += event.text;
    } else if (event.type === "reasoningDelta" && last?.type === "reasoningDelta") {
      last.text += event.text;
    } else {
      this.events.push({ ...event });
    }
    this.happened.fire([event]);
    if (event.type === "turnStarted") {
      this.turnId = event.turnId;
      this.changed.fire();
    } else if (event.type === "turnEnded") {
      this.turnId = undefined;
      this.changed.fire();
      if (event.stopReason === "endTurn") {
        this.sendNext();
      }
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
