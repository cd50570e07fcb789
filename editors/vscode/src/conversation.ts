// The conversation on the screen: one session, its events, what is being said to it. Another session in which something
// goes on stays watched behind it, with what waits to be said there.

import * as vscode from "vscode";
import { isGone, messageOf } from "./errors";
import type { How, Stamped } from "./messages";
import type { ContentBlock, Mode, SessionConfigureParams, SessionEvent, SessionEventNotification } from "./protocol";
import type { Server } from "./server";
import { type Queued, Session } from "./session";

/** Where the id of the session that was shown last is kept, for when the window is opened again. */
const LAST = "pillion.lastSession";

/** What of a session's state is on the screen beside its events. */
const STATE: SessionEvent["type"][] = ["turnStarted", "turnEnded", "sessionRenamed", "sessionConfigured"];

type Settings = Omit<SessionConfigureParams, "sessionId">;

export class Conversation implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  /** The session, its settings, whether a turn runs, or the queue changed. */
  readonly onChanged = this.changed.event;
  private readonly stamped = new vscode.EventEmitter<Stamped>();
  /** Events of the session, in order, as they come, with the time; what happened before this window watched has none. */
  readonly onStamped = this.stamped.event;
  private readonly began = new vscode.EventEmitter<void>();
  /** Another session is shown from here on, from its beginning. */
  readonly onReset = this.began.event;

  private shown: Session | undefined;
  /** The one that is shown, and those behind it. */
  private readonly watched = new Map<string, Session>();
  /** What the person chose, which a session that is begun gets. */
  private wanted: Settings = {};
  /** What is done to sessions is done one after the other: nothing is said to one that is being left. */
  private life: Promise<unknown> = Promise.resolve();
  private isReopened = false;
  private queued = 0;
  private readonly stateChange: vscode.Disposable;

  constructor(
    private readonly server: Server,
    private readonly memory: vscode.Memento,
  ) {
    server.hear("session/event", (notification) => this.take(notification));
    this.stateChange = server.onState((running) => {
      if (running) {
        void this.inOrder(async () => undefined);
      } else {
        for (const session of this.watched.values()) {
          session.lose();
        }
        this.changed.fire();
      }
    });
  }

  get info(): Session["info"] {
    return this.shown?.info;
  }

  /** The turn that runs. */
  get turnId(): string | undefined {
    return this.shown?.turnId;
  }

  get queue(): readonly Queued[] {
    return this.shown?.queue ?? [];
  }

  get events(): readonly Stamped[] {
    return this.shown?.events ?? [];
  }

  /** `undefined` while no session has begun and nobody chose one. */
  get mode(): Mode | undefined {
    return this.info?.mode ?? this.wanted.mode;
  }

  /** `provider/model`; `undefined` while no session has begun and nobody chose one. */
  get model(): string | undefined {
    return this.info?.model ?? this.wanted.model;
  }

  /** What to call a session that is not shown; nothing for the one that is. */
  elsewhere(sessionId: string): string | undefined {
    if (sessionId === this.shown?.id) {
      return undefined;
    }
    return this.watched.get(sessionId)?.title || "another session";
  }

  /** Says this: starts a turn, or puts it behind the one that runs. Starts a session where there is none. */
  say(prompt: ContentBlock[], how: How = "queue"): Promise<void> {
    return this.inOrder(async () => {
      const session = this.shown ?? (await this.begin());
      if (session.turnId === undefined) {
        await this.start(session, prompt);
      } else if (how === "steer") {
        await this.server.request("turn/steer", { sessionId: session.id, prompt });
      } else {
        this.queued += 1;
        session.queue.push({ id: this.queued, prompt });
        this.changed.fire();
      }
    });
  }

  /** Takes a prompt out of the queue. */
  unqueue(id: number): Queued | undefined {
    const queued = this.queue.find((waiting) => waiting.id === id);
    if (this.shown !== undefined) {
      this.shown.queue = this.shown.queue.filter((waiting) => waiting.id !== id);
      this.changed.fire();
    }
    return queued;
  }

  /** Stops the turn. What waits behind it stays, to be sent or taken back by the person. */
  async stop(): Promise<void> {
    if (this.shown !== undefined) {
      await this.server.request("turn/cancel", { sessionId: this.shown.id });
    }
  }

  /** Leaves the session for one that begins with the next prompt. */
  clear(): Promise<void> {
    return this.inOrder(async () => this.show(undefined));
  }

  open(sessionId: string): Promise<void> {
    return this.inOrder(() => this.bring(sessionId));
  }

  /** Goes on from the end of a turn, or of the last, in another session. */
  fork(sessionId: string, turnId?: string): Promise<void> {
    const until = turnId === undefined ? {} : { turnId };
    return this.inOrder(async () => {
      const fork = await this.server.request("session/fork", { sessionId, ...until });
      await this.bring(fork.sessionId);
    });
  }

  async rename(sessionId: string, title: string): Promise<void> {
    await this.server.request("session/rename", { sessionId, title });
  }

  delete(sessionId: string): Promise<void> {
    return this.inOrder(async () => {
      const session = this.watched.get(sessionId);
      if (session !== undefined) {
        await this.close(session);
      }
      if (session !== undefined && session === this.shown) {
        this.show(undefined);
      }
      await this.server.request("session/delete", { sessionId });
    });
  }

  /** Changes the session, and what those after it begin with. */
  configure(settings: Settings): Promise<void> {
    return this.inOrder(async () => {
      const session = this.shown;
      if (session !== undefined) {
        session.info = await this.server.request("session/configure", { sessionId: session.id, ...settings });
      }
      this.wanted = { ...this.wanted, ...settings };
      this.changed.fire();
    });
  }

  async compact(): Promise<void> {
    if (this.shown !== undefined) {
      await this.server.request("session/compact", { sessionId: this.shown.id });
    }
  }

  dispose(): void {
    this.stateChange.dispose();
    this.changed.dispose();
    this.stamped.dispose();
    this.began.dispose();
  }

  /** Does this after what was asked before, on sessions that are open. */
  private inOrder<T>(act: () => Promise<T>): Promise<T> {
    const done = this.life.then(async () => {
      await this.connect();
      return act();
    });
    this.life = done.catch(() => undefined);
    return done;
  }

  /** Opens what a server that is gone had open: nothing that was seen comes again, nothing that was missed is lost. */
  private async connect(): Promise<void> {
    if (!(await this.server.ready())) {
      return;
    }
    if (!this.isReopened) {
      this.isReopened = true;
      await this.reopen();
    }
    for (const session of [...this.watched.values()].filter(({ isLost }) => isLost)) {
      try {
        await this.load(session);
        this.settle(session);
      } catch (error) {
        this.refused(session, error);
      }
    }
  }

  /** Shows the session that this window showed last. */
  private async reopen(): Promise<void> {
    const sessionId = this.memory.get<string>(LAST);
    if (sessionId === undefined) {
      return;
    }
    try {
      await this.bring(sessionId);
    } catch (error) {
      if (isGone(error)) {
        this.server.log.info(String(error));
      } else {
        void this.offerAgain("The last session cannot be opened", error, sessionId);
      }
    }
  }

  private refused(session: Session, error: unknown): void {
    const isNews = session.refusal === undefined;
    session.refusal = messageOf(error);
    this.server.log.warn(`the session ${session.id} cannot be opened again: ${session.refusal}`);
    if (session === this.shown && isNews) {
      void this.offerAgain("The session cannot be gone on with", error, session.id);
    } else if (session !== this.shown && session.queue.length === 0) {
      this.watched.delete(session.id);
    }
  }

  private async offerAgain(what: string, error: unknown, sessionId: string): Promise<void> {
    const message = `Pillion: ${what}: ${messageOf(error)}`;
    if ((await vscode.window.showWarningMessage(message, "Try Again")) === "Try Again") {
      try {
        await this.open(sessionId);
      } catch (again) {
        await this.offerAgain(what, again, sessionId);
      }
    }
  }

  private async begin(): Promise<Session> {
    const info = await this.server.request("session/new", this.wanted);
    const session = new Session(info.sessionId, info);
    this.watched.set(session.id, session);
    this.show(session);
    return session;
  }

  private async bring(sessionId: string): Promise<void> {
    let session = this.watched.get(sessionId);
    if (session === undefined) {
      session = new Session(sessionId, undefined);
      this.watched.set(sessionId, session);
      try {
        await this.load(session);
      } catch (error) {
        this.watched.delete(sessionId);
        throw error;
      }
    } else if (session.refusal !== undefined) {
      throw new Error(session.refusal);
    }
    this.show(session);
  }

  private async load(session: Session): Promise<void> {
    const { id, lastSeq } = session;
    session.loaded(await this.server.request("session/load", { sessionId: id, fromSeq: lastSeq + 1 }));
    this.changed.fire();
  }

  private show(session: Session | undefined): void {
    const left = this.shown;
    if (left === session) {
      return;
    }
    this.shown = session;
    void this.memory.update(LAST, session?.id);
    this.began.fire();
    this.changed.fire();
    if (left !== undefined) {
      this.settle(left);
    }
  }

  /** Leaves a session in which nothing goes on and that is not shown. */
  private settle(session: Session): void {
    const isWatched = this.watched.get(session.id) === session;
    if (isWatched && session !== this.shown && !session.isBusy) {
      this.close(session).catch(() => undefined);
    }
  }

  private async close(session: Session): Promise<void> {
    this.watched.delete(session.id);
    if (!session.isLost) {
      await this.server.request("session/close", { sessionId: session.id });
    }
  }

  private take({ sessionId, seq, event }: SessionEventNotification): void {
    const session = this.watched.get(sessionId);
    const stamped = session?.take(seq, event);
    if (session === undefined || stamped === undefined) {
      return;
    }
    if (session === this.shown) {
      this.stamped.fire(stamped);
      if (STATE.includes(event.type)) {
        this.changed.fire();
      }
    }
    if (event.type === "turnEnded" && event.stopReason === "endTurn" && session.queue.length > 0) {
      this.sendNext(session);
    }
    this.settle(session);
  }

  private async start(session: Session, prompt: ContentBlock[]): Promise<void> {
    if (session.refusal !== undefined) {
      throw new Error(session.refusal);
    }
    session.isStarting = true;
    try {
      session.started((await this.server.request("turn/start", { sessionId: session.id, prompt })).turnId);
    } finally {
      session.isStarting = false;
      this.changed.fire();
      this.settle(session);
    }
  }

  private sendNext(session: Session): void {
    const send = async () => {
      const next = session.turnId === undefined ? session.queue.shift() : undefined;
      if (next === undefined) {
        return;
      }
      try {
        await this.start(session, next.prompt);
      } catch (error) {
        // The person can send it from there.
        session.queue.unshift(next);
        this.changed.fire();
        throw error;
      }
    };
    this.inOrder(send).catch((error: unknown) => this.server.log.error(messageOf(error)));
  }
}
