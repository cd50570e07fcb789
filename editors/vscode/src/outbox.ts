// The way to the web view for events: many in one message, and no message before the one before it has arrived.

import { joined } from "./log";
import type { Stamped, ToView } from "./messages";

/** Events that come within this time, in milliseconds, go together: about a frame. */
const TOGETHER = 16;

export class Outbox {
  private waiting: Stamped[] = [];
  private isBusy = false;

  constructor(private readonly send: (message: ToView) => Promise<unknown>) {}

  push({ event, at }: Stamped): void {
    const last = this.waiting.at(-1);
    if (last === undefined || !joined(last.event, event)) {
      this.waiting.push({ event: structuredClone(event), ...(at === undefined ? {} : { at }) });
    }
    if (!this.isBusy) {
      this.isBusy = true;
      setTimeout(() => void this.flush(), TOGETHER);
    }
  }

  /** Forgets what has not been sent. */
  clear(): void {
    this.waiting = [];
  }

  private async flush(): Promise<void> {
    try {
      while (this.waiting.length > 0) {
        const events = this.waiting;
        this.waiting = [];
        await this.send({ type: "events", events });
      }
    } finally {
      this.isBusy = false;
    }
  }
}
