// How full the model's context is, and what the session has cost: a ring in the prompt's row.

import type { ContextUse, SessionEvent, Usage } from "../src/protocol";
import { h } from "./dom";
import { added, money, tokens, usageDetails } from "./format";

const RADIUS = 6;
const ROUND = 2 * Math.PI * RADIUS;

export class Meter {
  private readonly cost = h("span", { class: "cost" });
  private readonly ring: SVGElement;
  private readonly arc: SVGElement;
  readonly element = h("button", { type: "button", class: "meter", hidden: true });
  private past: Usage = {};
  private turn: Usage = {};
  private context: ContextUse | undefined;
  private isMarked = false;

  constructor(onclick: () => void) {
    const circle = (name: string) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", "circle");
      for (const [key, value] of Object.entries({ class: name, cx: 8, cy: 8, r: RADIUS })) {
        element.setAttribute(key, String(value));
      }
      return element;
    };
    this.ring = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.ring.setAttribute("viewBox", "0 0 16 16");
    this.ring.setAttribute("aria-hidden", "true");
    this.arc = circle("arc");
    this.ring.append(circle("track"), this.arc);
    this.element.append(this.ring, this.cost);
    this.element.addEventListener("click", onclick);
  }

  reset(): void {
    this.past = {};
    this.turn = {};
    this.context = undefined;
    this.mark();
  }

  take(event: SessionEvent): void {
    if (event.type === "usage") {
      this.turn = event.turn;
      this.context = event.context ?? this.context;
    } else if (event.type === "compaction" && this.context !== undefined) {
      const { window } = this.context;
      const share = window === undefined ? {} : { window, share: event.tokensAfter / window };
      this.context = { tokens: event.tokensAfter, ...share };
    } else if (event.type === "turnEnded") {
      this.past = added(this.past, event.usage);
      this.turn = {};
    } else {
      return;
    }
    this.mark();
  }

  /** Many events may come at once, as when a session is opened. */
  private mark(): void {
    if (!this.isMarked) {
      this.isMarked = true;
      requestAnimationFrame(() => {
        this.isMarked = false;
        this.show();
      });
    }
  }

  private show(): void {
    const total = added(this.past, this.turn);
    const { context } = this;
    this.element.hidden = context === undefined && total.outputTokens === undefined;
    const share = context?.share;
    this.ring.toggleAttribute("hidden", share === undefined);
    const shown = Math.min(1, share ?? 0);
    this.arc.style.strokeDasharray = `${shown * ROUND} ${ROUND}`;
    this.element.classList.toggle("full", shown > 0.75);
    this.cost.textContent = total.cost === undefined ? "" : money(total.cost).replace("at least ", "≥");
    const window = context?.window === undefined ? "" : ` of ${tokens(context.window)}`;
    const percent = share === undefined ? "" : ` (${Math.round(share * 100)} %)`;
    const parts = [
      context === undefined ? undefined : `Context: ${tokens(context.tokens)}${window} tokens${percent}`,
      `This session\n${usageDetails(total)}`,
      "Click to make the conversation shorter for the model",
    ];
    this.element.title = parts.filter((part) => part !== undefined).join("\n\n");
    this.element.setAttribute("aria-label", this.element.title);
  }
}
