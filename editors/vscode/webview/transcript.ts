// The conversation on the screen. Only the turns in sight and around it are in the document; the others are as many
// empty boxes of their height, made again when somebody scrolls to them.

import { Log } from "../src/log";
import type { Stamped } from "../src/messages";
import type { Surroundings } from "./call";
import { h, iconButton } from "./dom";
import { Frames } from "./frames";
import { Thread } from "./thread";

/** So near to the end, in pixels, it counts as read to the end, and what comes is followed. */
const NEAR = 32;
/** Turns are made before they come in sight, at this distance. */
const AHEAD = "1500px";
/** What a turn that was never in sight is taken for, in pixels. */
const UNSEEN_HEIGHT = 160;

export class Transcript {
  private readonly content = h("div", { class: "content" });
  private readonly scroller = h(
    "div",
    {
      class: "transcript",
      role: "log",
      // What comes is announced in whole sentences elsewhere, not piece by piece.
      "aria-live": "off",
      "aria-label": "Conversation",
      tabindex: "0",
    },
    this.content,
  );
  private readonly toEnd = iconButton("down", "Go to the end", () => this.follow(), "to-end");
  readonly element = h("div", { class: "transcript-box" }, this.scroller, this.toEnd);
  private readonly frames = new Frames(() => this.settle());
  private readonly around: Surroundings;
  private readonly turns = new Map<Element, Turn>();
  private readonly sight = new IntersectionObserver((entries) => this.seen(entries), {
    root: this.scroller,
    rootMargin: `${AHEAD} 0px`,
  });
  /** The one that what happens belongs to. */
  private last: Turn | undefined;
  private follows = true;
  private top = 0;

  constructor(around: Pick<Surroundings, "tell" | "announce">) {
    this.around = { ...around, mark: (part) => this.frames.mark(part), nested: () => new Thread(this.around) };
    this.toEnd.hidden = true;
    this.scroller.addEventListener("scroll", () => this.scrolled());
    this.scroller.addEventListener("keydown", (event) => this.key(event));
    // A row that somebody opens stays where it is, rather than give way to what is at the end.
    this.content.addEventListener("click", (event) => {
      if ((event.target as Element).closest("summary") !== null) {
        this.follows = false;
      }
    });
    // An image that loads, a view that is made smaller: the end stays in sight.
    const observer = new ResizeObserver(() => this.settle());
    observer.observe(this.content);
    observer.observe(this.scroller);
  }

  get isEmpty(): boolean {
    return this.last === undefined;
  }

  /** What was said last, for those who listen. */
  get lastAnswer(): string {
    return this.last?.element.querySelector(".answer:last-of-type")?.textContent ?? "";
  }

  reset(events: Stamped[]): void {
    this.frames.clear();
    this.sight.disconnect();
    this.turns.clear();
    this.last = undefined;
    this.content.replaceChildren();
    this.follows = true;
    this.take(events);
  }

  take(events: Stamped[]): void {
    for (const stamped of events) {
      if (this.last === undefined || stamped.event.type === "turnStarted") {
        this.begin();
      }
      this.last?.take(stamped);
    }
    // The end is what is looked at; the others are made when they come in sight.
    this.last?.make();
  }

  follow(): void {
    this.follows = true;
    this.settle();
  }

  private begin(): void {
    const turn = new Turn(this.around);
    this.last = turn;
    this.turns.set(turn.element, turn);
    this.content.append(turn.element);
    this.sight.observe(turn.element);
  }

  private seen(entries: IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting, boundingClientRect } of entries) {
      const turn = this.turns.get(target);
      if (isIntersecting) {
        turn?.make();
      } else if (turn !== this.last) {
        turn?.unmake(boundingClientRect.height);
      }
    }
  }

  private settle(): void {
    if (this.follows) {
      this.scroller.scrollTop = this.scroller.scrollHeight;
    } else if (this.isAtEnd()) {
      this.follows = true;
    }
    this.toEnd.hidden = this.follows;
  }

  /** Only going back means to stay there: what comes into sight may turn out higher than it was taken for. */
  private scrolled(): void {
    const { scrollTop } = this.scroller;
    if (this.isAtEnd()) {
      this.follows = true;
    } else if (scrollTop < this.top) {
      this.follows = false;
    }
    this.top = scrollTop;
    this.toEnd.hidden = this.follows;
  }

  private isAtEnd(): boolean {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR;
  }

  /** Alt with an arrow goes from prompt to prompt. */
  private key(event: KeyboardEvent): void {
    const step = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
    if (step === 0 || !event.altKey) {
      return;
    }
    event.preventDefault();
    const prompts = [...this.content.querySelectorAll<HTMLElement>(".prompt")];
    const current = prompts.indexOf(document.activeElement as HTMLElement);
    const next = current < 0 ? (step < 0 ? prompts.length - 1 : 0) : current + step;
    prompts[next]?.focus();
    prompts[next]?.scrollIntoView({ block: "start" });
  }
}

/** A turn, and what comes between it and the next. */
class Turn {
  readonly element = h("div", { class: "turn" });
  private readonly log = new Log();
  private thread: Thread | undefined;

  constructor(private readonly around: Surroundings) {
    this.element.style.height = `${UNSEEN_HEIGHT}px`;
  }

  take({ event, at }: Stamped): void {
    this.log.push(event, at);
    this.thread?.take(event, at);
  }

  make(): void {
    if (this.thread === undefined) {
      this.thread = new Thread(this.around);
      for (const { event, at } of this.log.events) {
        this.thread.take(event, at);
      }
      this.element.replaceChildren(this.thread.element);
      this.element.style.height = "";
    }
  }

  /** Leaves a box of this height, in pixels. What somebody opened or is in stays. */
  unmake(height: number): void {
    const isInUse = this.element.querySelector("details[open]") !== null || this.element.matches(":focus-within");
    if (this.thread !== undefined && !isInUse) {
      this.element.style.height = `${height}px`;
      this.element.replaceChildren();
      this.thread = undefined;
    }
  }
}
