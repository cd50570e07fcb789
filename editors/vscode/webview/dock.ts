// What goes on at the moment, between the conversation and the prompt: the plan, background tasks, prompts that wait.

import type { FromView, Status } from "../src/messages";
import type { PlanItem, PlanStatus, SessionEvent, Task } from "../src/protocol";
import { h, type IconName, iconButton, svg } from "./dom";
import { duration } from "./format";

const PLAN_ICONS: Record<PlanStatus, { icon: IconName; word: string }> = {
  pending: { icon: "clock", word: "to do" },
  inProgress: { icon: "steer", word: "in progress" },
  completed: { icon: "check", word: "done" },
};

export class Dock {
  private readonly planTitle = h("span", {});
  private readonly planNow = h("span", { class: "now" });
  private readonly planItems = h("ol", {});
  private readonly plan = h(
    "details",
    { class: "plan", hidden: true },
    h("summary", {}, svg("list"), this.planTitle, this.planNow, svg("chevron")),
    this.planItems,
  );
  private readonly tasks = h("div", { class: "tasks", hidden: true });
  private readonly queue = h("div", { class: "queue", hidden: true });
  readonly element = h("div", { class: "dock" }, this.plan, this.tasks, this.queue);
  private readonly running = new Map<string, Task>();
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly tell: (message: FromView) => void) {}

  reset(): void {
    this.running.clear();
    this.showTasks();
    this.showPlan([]);
  }

  take(event: SessionEvent): void {
    switch (event.type) {
      case "plan":
        this.showPlan(event.items);
        break;
      case "turnStarted":
        // A plan that was carried out says nothing about what comes next.
        if (this.planItems.querySelector("li:not(.completed)") === null) {
          this.showPlan([]);
        }
        break;
      case "taskStarted":
        this.running.set(event.task.taskId, event.task);
        this.showTasks();
        break;
      case "taskEnded":
        this.running.delete(event.task.taskId);
        this.showTasks();
        break;
      case "nested":
        if (event.event.type === "taskStarted" || event.event.type === "taskEnded") {
          this.take(event.event);
        }
        break;
      default:
        break;
    }
  }

  show({ queue, running }: Status): void {
    this.queue.hidden = queue.length === 0;
    this.queue.replaceChildren(
      ...queue.map(({ id, text }, index) => {
        const act = (how: "queue" | "steer" | "edit" | "drop") => () => this.tell({ type: "unqueue", id, how });
        return h(
          "div",
          { class: "row" },
          svg("clock"),
          h("span", { class: "text", title: text }, text),
          running
            ? iconButton("steer", "Say it now, to the running turn", act("steer"))
            : index === 0
              ? iconButton("send", "Send it", act("queue"))
              : undefined,
          iconButton("edit", "Take it back into the prompt", act("edit")),
          iconButton("close", "Do not say it", act("drop")),
        );
      }),
    );
  }

  private showPlan(items: PlanItem[]): void {
    const done = items.filter(({ status }) => status === "completed").length;
    const now = items.find(({ status }) => status === "inProgress") ?? items.find(({ status }) => status === "pending");
    this.plan.hidden = items.length === 0;
    this.planTitle.textContent = `Plan ${done}/${items.length}`;
    this.planNow.textContent = now?.text ?? "done";
    this.planItems.replaceChildren(
      ...items.map(({ text, status }) => {
        const { icon, word } = PLAN_ICONS[status];
        return h(
          "li",
          { class: status },
          svg(icon),
          h("span", { class: "only-heard" }, `${word}: `),
          h("span", {}, text),
        );
      }),
    );
  }

  private showTasks(): void {
    clearInterval(this.timer);
    this.tasks.hidden = this.running.size === 0;
    const rows = [...this.running.values()].map((task) => {
      const time = h("span", { class: "time" });
      const row = h(
        "div",
        { class: "row" },
        h("span", { class: "spinner", role: "img", "aria-label": "runs in the background" }),
        h("code", { class: "text", title: task.title }, task.title),
        time,
        iconButton("open", "Show what it printed until now", () =>
          this.tell({ type: "readTask", taskId: task.taskId }),
        ),
        iconButton("stop", "End it", () => this.tell({ type: "cancelTask", taskId: task.taskId })),
      );
      return { row, tick: () => (time.textContent = duration(Math.max(0, Date.now() - task.startedAt * 1000))) };
    });
    this.tasks.replaceChildren(...rows.map(({ row }) => row));
    const tick = () => {
      for (const row of rows) {
        row.tick();
      }
    };
    tick();
    if (rows.length > 0) {
      this.timer = setInterval(tick, 1000);
    }
  }
}
