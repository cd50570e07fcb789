// The sessions of this workspace: search, go on, branch off, name, delete.

import type { FromView } from "../src/messages";
import type { SessionInfo } from "../src/protocol";
import { h, iconButton, svg } from "./dom";
import { money } from "./format";

export class Sessions {
  private readonly search = h("input", {
    type: "search",
    placeholder: "Search the sessions",
    "aria-label": "Search the sessions",
  });
  private readonly list = h("ul", {});
  private readonly nothing = h("p", { class: "nothing", hidden: true });
  readonly element: HTMLElement;
  private sessions: SessionInfo[] = [];
  private current: string | undefined;

  constructor(
    private readonly tell: (message: FromView) => void,
    private readonly close: () => void,
  ) {
    this.element = h(
      "section",
      { class: "sessions", "aria-label": "Sessions", hidden: true },
      h("div", { class: "head" }, this.search, iconButton("close", "Back to the chat (Escape)", close)),
      this.nothing,
      this.list,
    );
    this.search.addEventListener("input", () => this.draw());
    this.element.addEventListener("keydown", (event) => this.key(event));
  }

  open(): void {
    this.element.hidden = false;
    this.tell({ type: "listSessions" });
    this.search.value = "";
    this.search.focus();
  }

  show(sessions: SessionInfo[], current: string | undefined): void {
    this.sessions = sessions;
    this.current = current;
    this.draw();
  }

  private draw(): void {
    const words = this.search.value.toLowerCase().split(/\s+/);
    const found = this.sessions.filter((session) => {
      const text = `${session.title} ${session.model} ${when(session.updatedAt)}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
    this.nothing.hidden = found.length > 0;
    this.nothing.textContent =
      this.sessions.length === 0 ? "There are no sessions in this workspace yet." : "No session has these words.";
    const rows: HTMLElement[] = [];
    let age = "";
    for (const session of found) {
      const next = ageOf(session.updatedAt);
      if (next !== age) {
        age = next;
        rows.push(h("li", { class: "age" }, age));
      }
      rows.push(this.row(session));
    }
    this.list.replaceChildren(...rows);
  }

  private row(session: SessionInfo): HTMLElement {
    const { sessionId, usage, turnId } = session;
    const isCurrent = sessionId === this.current;
    const title = session.title || "(no prompt yet)";
    const about = [
      when(session.updatedAt),
      session.model.split("/").at(-1),
      usage.cost ? money(usage.cost) : undefined,
    ];
    const resume = () => {
      this.tell({ type: "openSession", sessionId });
      this.close();
    };
    const row = h("li", { class: isCurrent ? "session current" : "session" });
    const open = h(
      "button",
      { type: "button", class: "open", onclick: resume, "aria-current": isCurrent ? "true" : undefined },
      h("span", { class: "title", title }, title),
      h("span", { class: "about" }, about.filter((part) => part !== undefined).join(" · ")),
    );
    if (turnId !== undefined) {
      open.prepend(h("span", { class: "spinner", role: "img", "aria-label": "running" }));
    }
    const actions = h(
      "span",
      { class: "actions" },
      iconButton("edit", "Rename", () => this.rename(row, session)),
      iconButton("branch", "Branch off: go on from here in another session", () => {
        this.tell({ type: "forkSession", sessionId });
        this.close();
      }),
      iconButton("trash", "Delete", () => this.confirm(row, session)),
    );
    row.append(open, actions);
    return row;
  }

  private rename(row: HTMLElement, { sessionId, title }: SessionInfo): void {
    const field = h("input", { type: "text", "aria-label": "Name of the session" });
    field.value = title;
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && field.value.trim() !== "") {
        this.tell({ type: "renameSession", sessionId, title: field.value.trim() });
        this.search.focus();
      } else if (event.key === "Escape") {
        event.stopPropagation();
        this.draw();
        this.search.focus();
      }
    });
    row.replaceChildren(field);
    field.select();
  }

  private confirm(row: HTMLElement, { sessionId, title }: SessionInfo): void {
    const really = h("button", { type: "button", class: "danger" }, svg("trash"), "Delete");
    really.addEventListener("click", () => {
      this.tell({ type: "deleteSession", sessionId });
      this.search.focus();
    });
    const keep = h("button", { type: "button", onclick: () => this.draw() }, "Keep");
    row.replaceChildren(h("span", { class: "title" }, `Delete “${title}” for good?`), really, keep);
    really.focus();
  }

  private key(event: KeyboardEvent): void {
    if (event.key === "Escape") {
      event.preventDefault();
      this.close();
      return;
    }
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step === 0) {
      return;
    }
    event.preventDefault();
    const stops: HTMLElement[] = [this.search, ...this.list.querySelectorAll<HTMLElement>("button.open")];
    const row = (document.activeElement as HTMLElement | null)
      ?.closest("li")
      ?.querySelector<HTMLElement>("button.open");
    const at = stops.indexOf(row ?? this.search);
    stops[(at + step + stops.length) % stops.length]?.focus();
  }
}

function when(seconds: number): string {
  const date = new Date(seconds * 1000);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday
    ? date.toLocaleTimeString([], { hour: "numeric", minute: "2-digit" })
    : date.toLocaleDateString([], { month: "short", day: "numeric", year: "numeric" });
}

function ageOf(seconds: number): string {
  const midnight = new Date().setHours(0, 0, 0, 0);
  const days = Math.ceil((midnight - seconds * 1000) / 86_400_000);
  return days <= 0 ? "Today" : days === 1 ? "Yesterday" : days <= 7 ? "Last week" : "Earlier";
}
