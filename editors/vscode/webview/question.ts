// A question of the model.

import type { FromView } from "../src/messages";
import type { Question, QuestionAnswer } from "../src/protocol";
import { askers } from "./approval";
import { h, svg } from "./dom";
import { renderMarkdown } from "./markdown";

export function questionCard(
  question: Question,
  session: string | undefined,
  tell: (message: FromView) => void,
): HTMLElement {
  const { questionId, choices, allowsText } = question;
  const answer = (given: QuestionAnswer) => tell({ type: "answer", questionId, answer: given });
  const text = h("div", { class: "question-text" });
  renderMarkdown(text, question.text);
  const rows = choices.map((choice, index) =>
    h(
      "button",
      { type: "button", class: "choice", onclick: () => answer({ type: "choice", index }) },
      h("kbd", { "aria-hidden": "true" }, String(index + 1)),
      h("span", {}, h("strong", {}, choice.label), choice.description === undefined ? "" : ` ${choice.description}`),
    ),
  );
  const decline = () => answer({ type: "decline" });
  const words = h("input", {
    type: "text",
    placeholder: choices.length === 0 ? "Your answer, then Enter" : "Or in your own words, then Enter",
    "aria-label": "Answer in words",
  });
  words.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing && words.value.trim() !== "") {
      answer({ type: "text", text: words.value.trim() });
    }
  });
  const element = h(
    "section",
    { class: "card question", role: "group", "aria-label": `Pillion asks: ${question.text}` },
    h("h2", {}, svg("question"), h("span", {}, "Pillion asks"), ...askers(question, session)),
    text,
    h("div", { class: "choices" }, ...rows),
    allowsText || choices.length === 0 ? words : undefined,
    h(
      "div",
      { class: "buttons" },
      h("button", { type: "button", title: "Leave it to the model", onclick: decline }, "Decide Yourself"),
    ),
  );
  // The digits choose while the card, but not its text field, has the focus.
  element.addEventListener("keydown", (event) => {
    if (event.target !== words && /^[1-9]$/.test(event.key)) {
      rows[Number(event.key) - 1]?.click();
    }
  });
  return element;
}
