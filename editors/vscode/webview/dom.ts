// Small helpers to build elements.

type Child = Node | string | undefined;
type Attribute = string | number | boolean | undefined | ((event: Event) => void);

/** An element with attributes and children. `on...` attributes are listeners; `undefined` leaves one out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, Attribute> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") {
      element.addEventListener(name.replace(/^on/, ""), value);
    } else if (typeof value === "boolean") {
      element.toggleAttribute(name, value);
    } else if (value !== undefined) {
      element.setAttribute(name, String(value));
    }
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/** A button with an icon and a name that is told and shown on hovering. */
export function iconButton(
  icon: IconName,
  name: string,
  onclick: (event: Event) => void,
  more = "",
): HTMLButtonElement {
  return h(
    "button",
    { type: "button", class: `icon-button ${more}`, title: name, "aria-label": name, onclick },
    svg(icon),
  );
}

// Drawn on a field of 16 by 16, in lines of the text's colour.
const ICONS = {
  add: "M8 3v10M3 8h10",
  agent: "M3.5 6.5h9v6h-9zM8 6.5v-3M8 3.5h.01M6 9.5h.01M10 9.5h.01M1.5 9v1.5M14.5 9v1.5",
  apply: "M3 3.5h6M3 7h4M3 10.5h3M9 11l2 2 3.5-4.5",
  branch:
    "M4.5 6v4M4.5 6a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM4.5 13a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM11.5 6a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM11.5 6c0 2.5-7 1.5-7 4",
  bulb: "M6 11.5V10C4.8 9.3 4 8.2 4 6.7a4 4 0 0 1 8 0c0 1.5-.8 2.6-2 3.3v1.5zM6.5 13.5h3",
  check: "M3.5 8.5l3 3 6-7",
  chevron: "M4.5 6.5L8 10l3.5-3.5",
  clock: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM8 5v3.2l2 1.3",
  close: "M4 4l8 8M12 4l-8 8",
  command: "M10.5 3l-5 10",
  compact: "M3 8h10M8 2v3.5M6 4l2 2 2-2M8 14v-3.5M6 12l2-2 2 2",
  copy: "M5.5 5.5h7v8h-7zM3.5 10.5v-8h7",
  denied: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM4.2 4.2l7.6 7.6",
  diff: "M8 3v5M5.5 5.5h5M5.5 12h5",
  down: "M8 3v9.5M4 8.5l4 4 4-4",
  edit: "M3 13l.7-3L10.5 3.2l2.3 2.3L6 12.3z",
  file: "M4 2.5h5l3 3v8H4zM9 2.5v3h3",
  folder: "M2 4h4l1.5 1.5H14v7H2z",
  history: "M2.8 6A5.5 5.5 0 1 1 2.5 8.5M2.5 3v3.2h3.2M8 5.5v3l2 1",
  image: "M2.5 3.5h11v9h-11zM2.5 11l3.5-3.5 3 3 1.5-1.5 3 3M10.5 6h.01",
  info: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM8 7.5v3M8 5.3h.01",
  insert: "M2.5 3.5h11M2.5 12.5h11M6 8h7.5M2.5 6l2 2-2 2",
  key: "M6 10a3 3 0 1 1 2.4-1.2L13 13.4M11 11.5l1.3-1.3",
  list: "M6 4h7.5M6 8h7.5M6 12h7.5M2.8 4h.01M2.8 8h.01M2.8 12h.01",
  mention: "M10.3 8a2.3 2.3 0 1 1-4.6 0 2.3 2.3 0 0 1 4.6 0zm0 0c0 2.6 3.2 2 3.2-.3A5.5 5.5 0 1 0 11 12.6",
  mode: "M8 2.5l4.5 1.7v3.5c0 2.8-1.8 4.8-4.5 5.8-2.7-1-4.5-3-4.5-5.8V4.2z",
  network: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM2.5 8h11M8 2.5c-3 3.3-3 7.7 0 11M8 2.5c3 3.3 3 7.7 0 11",
  open: "M9 3h4v4M13 3L7.5 8.5M11 9.5V13H3V5h3.5",
  question: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM6.4 6.5c.2-2 3.2-1.9 3.2-.1C9.6 7.6 8 7.6 8 9M8 11h.01",
  read: "M2 8c2.5-5 9.5-5 12 0-2.5 5-9.5 5-12 0zM9.7 8a1.7 1.7 0 1 1-3.4 0 1.7 1.7 0 0 1 3.4 0z",
  retry: "M12.9 6A5.3 5.3 0 1 0 13.3 8.6M13.3 3v3.2h-3.2",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.3 10.3l3.2 3.2",
  selection: "M3 5V3h2M11 3h2v2M13 11v2h-2M5 13H3v-2M5.5 6.5h5M5.5 9.5h3",
  send: "M8 13V3.5M4 7.5l4-4 4 4",
  steer: "M3 8h9M8.5 4.5L12 8l-3.5 3.5",
  stop: "M4.5 4.5h7v7h-7z",
  symbol: "M8 2.5l4.8 2.7v5.6L8 13.5l-4.8-2.7V5.2zM3.2 5.2L8 8l4.8-2.8M8 8v5.5",
  terminal: "M2.5 3.5h11v9h-11zM5 6.5l1.8 1.6L5 9.7M8.5 10h2.5",
  trash: "M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.6 9h5.8l.6-9",
  warning: "M8 2.5l6 11H2zM8 6.5v3M8 11.5h.01",
} as const;

export type IconName = keyof typeof ICONS;

export function svg(name: IconName): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const element = document.createElementNS(space, "svg");
  element.setAttribute("viewBox", "0 0 16 16");
  element.setAttribute("class", `icon icon-${name}`);
  element.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name]);
  element.append(path);
  return element;
}
