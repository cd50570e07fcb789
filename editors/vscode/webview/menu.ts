// A list to choose from: for completion, where the focus stays in the text, and for the pickers.

import { h, type IconName, svg } from "./dom";

export interface Item {
  label: string;
  detail?: string;
  icon?: IconName;
  /** The one that holds now. */
  isCurrent?: boolean;
  /** It can be chosen, but something is missing. */
  isDim?: boolean;
  choose(): void;
}

let count = 0;

export class Menu {
  readonly id: string;
  readonly element: HTMLUListElement;
  private items: Item[] = [];
  private chosen = 0;

  /** `owner` has the focus while the menu is open. */
  constructor(
    private readonly owner: HTMLElement,
    label: string,
  ) {
    count += 1;
    this.id = `menu-${count}`;
    this.element = h("ul", { class: "menu", role: "listbox", id: this.id, "aria-label": label, hidden: true });
    owner.setAttribute("aria-controls", this.id);
    owner.setAttribute("aria-haspopup", "listbox");
    // A click must not take the focus from the owner.
    this.element.addEventListener("mousedown", (event) => event.preventDefault());
  }

  get isOpen(): boolean {
    return this.items.length > 0;
  }

  show(items: Item[]): void {
    // What was chosen stays so if it is still there.
    const before = this.items[this.chosen]?.label;
    const same = this.isOpen && this.chosen > 0 ? items.findIndex(({ label }) => label === before) : -1;
    this.items = items;
    this.chosen = Math.max(0, same >= 0 ? same : items.findIndex(({ isCurrent }) => isCurrent === true));
    this.element.replaceChildren(...items.map((item, index) => this.row(item, index)));
    this.element.hidden = items.length === 0;
    // A text field has no such state.
    if (this.owner instanceof HTMLButtonElement) {
      this.owner.setAttribute("aria-expanded", String(items.length > 0));
    }
    this.mark();
  }

  close(): void {
    if (this.isOpen) {
      this.show([]);
    }
  }

  /** Whether the key was for the menu. */
  key(event: KeyboardEvent): boolean {
    const last = this.items.length - 1;
    if (last < 0) {
      return false;
    }
    switch (event.key) {
      case "ArrowDown":
        this.chosen = this.chosen === last ? 0 : this.chosen + 1;
        break;
      case "ArrowUp":
        this.chosen = this.chosen === 0 ? last : this.chosen - 1;
        break;
      case "PageDown":
        this.chosen = Math.min(last, this.chosen + 8);
        break;
      case "PageUp":
        this.chosen = Math.max(0, this.chosen - 8);
        break;
      case "Enter":
      case "Tab":
        this.take(this.items[this.chosen]);
        break;
      case "Escape":
        this.close();
        break;
      default:
        return false;
    }
    event.preventDefault();
    event.stopPropagation();
    this.mark();
    return true;
  }

  private take(item: Item | undefined): void {
    this.close();
    item?.choose();
  }

  private row(item: Item, index: number): HTMLElement {
    const classes = item.isDim === true ? "dim" : "";
    return h(
      "li",
      { role: "option", id: `${this.id}-${index}`, class: classes, title: item.detail, onclick: () => this.take(item) },
      item.icon === undefined ? undefined : svg(item.icon),
      h("span", { class: "label" }, item.label),
      h("span", { class: "detail" }, item.detail ?? ""),
      item.isCurrent === true ? svg("check") : undefined,
    );
  }

  private mark(): void {
    for (const [index, row] of [...this.element.children].entries()) {
      row.setAttribute("aria-selected", String(index === this.chosen));
    }
    const row = this.element.children[this.chosen];
    row?.scrollIntoView({ block: "nearest" });
    if (row === undefined) {
      this.owner.removeAttribute("aria-activedescendant");
    } else {
      this.owner.setAttribute("aria-activedescendant", row.id);
    }
  }
}

/** A button that shows what is chosen, and a menu above it. */
export class Picker {
  private readonly label = h("span", { class: "label" });
  private readonly button: HTMLButtonElement;
  private readonly menu: Menu;
  readonly element: HTMLElement;

  constructor(
    name: string,
    icon: IconName | undefined,
    private readonly items: () => Item[],
  ) {
    this.button = h("button", { type: "button", class: "picker", role: "combobox" });
    this.button.append(...(icon === undefined ? [] : [svg(icon)]), this.label, svg("chevron"));
    this.menu = new Menu(this.button, name);
    this.element = h("div", { class: "picker-box", "data-name": name }, this.button, this.menu.element);
    this.button.addEventListener("click", () => (this.menu.isOpen ? this.menu.close() : this.open()));
    this.button.addEventListener("blur", () => this.menu.close());
    this.button.addEventListener("keydown", (event) => {
      if (!this.menu.key(event) && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
        event.preventDefault();
        this.open();
      }
    });
  }

  show(label: string, title: string): void {
    this.label.textContent = label;
    this.button.title = title;
    this.button.setAttribute("aria-label", `${title}: ${label}`);
  }

  open(): void {
    this.button.focus();
    this.menu.show(this.items());
  }
}
