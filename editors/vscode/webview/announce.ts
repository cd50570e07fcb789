// For those who listen to the screen: what matters, in whole sentences, and not too often.

import { h } from "./dom";

const polite = h("div", { class: "only-heard", role: "status", "aria-live": "polite" });
const urgent = h("div", { class: "only-heard", role: "alert", "aria-live": "assertive" });

export const announcer = h("div", {}, polite, urgent);

export function announce(text: string): void {
  polite.textContent = text;
}

export function announceUrgently(text: string): void {
  urgent.textContent = text;
}
