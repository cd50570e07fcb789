// A person at the workbench: keys and clicks go in, and what is on the screen comes out.

import { readFileSync } from "node:fs";
import { throttle } from "../page.mjs";
import { AGAIN_MS, becomes, insist, LIMIT_MS, wait } from "./check.mjs";

const SOON = { timeout: AGAIN_MS };

/** Whether it came to pass. */
const happens = (promise) =>
  promise.then(
    () => true,
    () => false,
  );

export class Person {
  static async sitDown({ browser, bench, project, screens, size = { width: 1280, height: 800 } }) {
    const page = await browser.newPage({ viewport: size });
    page.setDefaultTimeout(LIMIT_MS);
    await throttle(page);
    const me = new Person(page, project, screens);
    page.on("pageerror", (error) => console.log(`   the page: ${error}`));
    await me.enter(bench);
    return me;
  }

  /** After a case that failed: begins with a fresh window. */
  async recover(bench) {
    // The one of a window before, which never asked, may still listen.
    this.page.once("dialog", (dialog) => dialog.accept().catch(() => {}));
    await this.page.goto("about:blank");
    await this.enter(bench);
    await this.begin();
    await this.prompt.fill("");
    const chips = this.chat.locator(".chips .chip");
    for (let left = await chips.count(); left > 0; left -= 1) {
      await chips.first().click();
    }
  }

  async enter(bench) {
    await this.page.goto(`${bench.url}/?folder=${this.project}`, { timeout: 4 * LIMIT_MS });
    await this.page.locator(".monaco-workbench").waitFor({ timeout: 4 * LIMIT_MS });
    const icon = this.page.locator('.activitybar a.action-label[aria-label="Pillion"]');
    await icon.waitFor({ timeout: 2 * LIMIT_MS });
    // A window that was here before shows the chat after a while, and a click would hide it.
    const title = this.page.locator(".sidebar .title-label").filter({ hasText: "Pillion" });
    await wait("the chat is opened", async () => {
      if (!(await happens(title.waitFor({ timeout: 1000 })))) {
        await icon.click();
      }
      return happens(title.waitFor(SOON));
    });
    await this.prompt.waitFor({ timeout: 2 * LIMIT_MS });
  }

  constructor(page, project, screens) {
    this.page = page;
    this.project = project;
    this.screens = screens;
    // Web views are two frames deep.
    this.chat = page.frameLocator("iframe.webview").frameLocator("#active-frame");
    this.prompt = this.chat.getByRole("textbox", { name: "Prompt" });
  }

  screen(name) {
    return this.page.screenshot({ path: `${this.screens}/${name}.png` });
  }

  key(...keys) {
    return keys.reduce((before, key) => before.then(() => this.page.keyboard.press(key)), Promise.resolve());
  }

  type(text) {
    return this.page.keyboard.type(text);
  }

  /** By its title in the command palette. */
  async command(title) {
    // What asks may take the focus, and with it the palette, away again; and a command may not be there yet.
    await wait(`the command ${title}`, async () => {
      await this.key("F1");
      return happens(this.pick(`>${title}`, title));
    });
  }

  /** The field above the editor. */
  get field() {
    return this.page.locator(".quick-input-widget input:visible").first();
  }

  /**
   * Writes into the field above the editor, and takes what is offered with this text. By keys: the rows are made anew
   * while the list is filtered, and a click may hit another.
   */
  async pick(written, offered) {
    await this.field.fill(written, SOON);
    const labels = this.page.locator(".quick-input-list .monaco-list-row .label-name");
    const focused = this.page.locator(".quick-input-list .monaco-list-row.focused .label-name");
    const textsOf = async (all) => (await all.allTextContents()).map((label) => label.trim());
    let times = 0;
    await wait(
      offered,
      async () => {
        if ((await textsOf(focused)).includes(offered)) {
          // The list may just have been about to change.
          times += 1;
          return times === 2;
        }
        times = 0;
        if ((await textsOf(labels)).includes(offered)) {
          await this.field.press("ArrowDown", SOON);
        }
        return false;
      },
      AGAIN_MS,
    );
    await this.field.press("Enter", SOON);
  }

  /** Takes one of what is offered above the editor, as soon as `seen` is. */
  async choose(offered, seen = offered) {
    await this.page.locator(".quick-input-list .monaco-list-row").filter({ hasText: seen }).first().waitFor();
    await this.pick(offered, offered);
  }

  /** Says it in the chat, where it begins a turn. */
  async say(text) {
    await this.prompt.fill(text);
    await this.prompt.press("Enter");
    await this.turn.locator(".prompt").filter({ hasText: text }).first().waitFor();
  }

  /** Opens a file of the project and puts the cursor into it. */
  async open(file) {
    await wait(`${file} is opened`, async () => {
      await this.key("Control+P");
      return happens(this.pick(file, file));
    });
    await this.tab(file).first().waitFor();
    await this.editor(file).waitFor();
    await this.focus(file);
  }

  tab(label) {
    return this.page.getByRole("tab").filter({ hasText: label });
  }

  /** The editor that shows this file. */
  editor(file) {
    return this.page.locator(`.editor-instance .monaco-editor[data-uri$="/${file}"]`).last();
  }

  /** Clicks into a line of a small file. */
  async focus(file, line = 1) {
    const lines = this.editor(file).locator(".view-lines .view-line");
    const place = this.page.locator('.statusbar-item[id="status.editor.selection"]');
    await insist(
      `the cursor is in line ${line} of ${file}`,
      async () => {
        // In the document they stand in no order.
        const tops = await lines.evaluateAll((found) => found.map(({ offsetTop }) => offsetTop));
        const top = [...tops].sort((left, right) => left - right)[line - 1];
        return top !== undefined && happens(lines.nth(tops.indexOf(top)).click(SOON));
      },
      async () =>
        (await place.textContent()).includes(`Ln ${line},`) &&
        (await this.editor(file).evaluate((editor) => editor.classList.contains("focused"))),
    );
  }

  /** What a small file's editor shows, line by line. */
  async text(file) {
    const lines = await this.editor(file)
      .locator(".view-lines .view-line")
      .evaluateAll((found) =>
        found
          .map((line) => ({ top: line.offsetTop, text: line.textContent.replaceAll("\u00a0", " ") }))
          .sort((left, right) => left.top - right.top)
          .map(({ text }) => text),
      );
    return lines.join("\n");
  }

  /** Until the file's editor shows this text. */
  shows(what, file, expected) {
    return becomes(what, () => this.text(file), expected);
  }

  onDisk(file) {
    return readFileSync(`${this.project}/${file}`, "utf8");
  }

  /** The notification that asks. */
  get notice() {
    return this.page.locator(".notification-toast").filter({ hasText: "Pillion asks" });
  }

  get statusBar() {
    return this.page.locator("#pillion\\.pillion\\.pillion\\.approvals, [id$='pillion.approvals']");
  }

  /** The approval's card in the chat. */
  get card() {
    return this.chat.getByRole("alertdialog");
  }

  /** The last turn in the chat. */
  get turn() {
    return this.chat.locator(".transcript .turn").last();
  }

  /** Asked, and visible everywhere: the keys answer from when the status bar counts it. */
  async asked() {
    await this.notice.first().waitFor();
    await this.card.first().waitFor();
    await this.statusBar.waitFor();
  }

  /** Answered, and shown nowhere any more. */
  async settled() {
    await wait("nothing asks any more", async () => (await this.notice.count()) + (await this.card.count()) === 0);
    await this.statusBar.waitFor({ state: "hidden" });
  }

  /** What the model says in the last turn, up to the turn's end. */
  /** Waits until VS Code has written this down for the window's next opening, which it does a while later. */
  async kept(text) {
    const isKept = async (wanted) => {
      const open = (name) =>
        new Promise((resolve, reject) => {
          const request = indexedDB.open(name);
          request.onsuccess = () => resolve(request.result);
          request.onerror = () => reject(request.error);
        });
      const values = (db, store) =>
        new Promise((resolve, reject) => {
          const request = db.transaction(store).objectStore(store).getAll();
          request.onsuccess = () => resolve(request.result);
          request.onerror = () => reject(request.error);
        });
      for (const { name } of await indexedDB.databases()) {
        const db = await open(name);
        try {
          for (const store of db.objectStoreNames) {
            if ((await values(db, store)).some((value) => String(value).includes(wanted))) {
              return true;
            }
          }
        } finally {
          db.close();
        }
      }
      return false;
    };
    await wait(`${text} is kept`, () => this.page.evaluate(isKept, text));
  }

  async heard(text) {
    await this.turn.getByText(text).last().waitFor();
    await this.turn.locator(".foot").last().waitFor();
  }

  /** Another session, and nothing of the one before. */
  async begin() {
    await this.command("Pillion: New Session");
    await wait("the chat is empty", async () => (await this.chat.locator(".transcript .turn").count()) === 0);
    await this.prompt.waitFor();
  }

  /** Puts everything away. What is not saved is dropped. */
  async tidy() {
    await this.key("Escape", "Escape");
    await this.command("View: Close All Editors");
    const dialog = this.page.locator(".monaco-dialog-box");
    await wait("the editors are closed", async () => {
      if (await dialog.isVisible()) {
        await happens(dialog.getByRole("button", { name: "Don't Save" }).click(SOON));
      }
      return (await this.page.locator(".tabs-container .tab").count()) === 0;
    });
    await this.command("Notifications: Clear All Notifications");
    await this.begin();
  }
}
