// A person at the workbench: keys and clicks go in, and what is on the screen comes out.

import { readFileSync } from "node:fs";
import { LIMIT_MS, wait } from "./check.mjs";

/** For what comes at once or is to be tried again. */
const SOON_MS = 5000;

export class Person {
  static async sitDown({ browser, bench, project, screens, size = { width: 1280, height: 800 } }) {
    const page = await browser.newPage({ viewport: size });
    page.setDefaultTimeout(LIMIT_MS);
    const me = new Person(page, project, screens);
    page.on("pageerror", (error) => console.log(`   the page: ${error}`));
    await me.enter(bench);
    return me;
  }

  /** After a case that failed: begins with a fresh window. */
  async recover(bench) {
    this.page.once("dialog", (dialog) => dialog.accept());
    await this.page.goto("about:blank");
    await this.enter(bench);
    await this.command("Pillion: New Session");
  }

  async enter(bench) {
    await this.page.goto(`${bench.url}/?folder=${this.project}`);
    await this.page.locator(".monaco-workbench").waitFor({ timeout: 4 * LIMIT_MS });
    await this.page.locator('.activitybar a.action-label[aria-label="Pillion"]').waitFor({ timeout: 2 * LIMIT_MS });
    // A window that was here before shows the chat already, and a click would hide it.
    if (!(await this.page.locator(".sidebar .title-label").filter({ hasText: "Pillion" }).isVisible())) {
      await this.page.locator('.activitybar a.action-label[aria-label="Pillion"]').click();
    }
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
    // What asks may take the focus, and with it the palette, away again.
    await wait(`the command ${title}`, async () => {
      await this.key("F1");
      return this.pick(`>${title}`, title).then(
        () => true,
        () => false,
      );
    });
  }

  /** Writes into the field above the editor, and takes the first that is offered with this text. */
  async pick(written, offered) {
    const soon = { timeout: SOON_MS };
    await this.page.locator(".quick-input-widget input[type=text]").fill(written, soon);
    await this.page.locator(".quick-input-list .monaco-list-row").filter({ hasText: offered }).first().click(soon);
  }

  async say(text) {
    await this.prompt.fill(text);
    await this.prompt.press("Enter");
  }

  /** Opens a file of the project and puts the cursor into it. */
  async open(file) {
    await wait(`${file} is opened`, async () => {
      await this.key("Control+P");
      return this.pick(file, file).then(
        () => true,
        () => false,
      );
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
    // In the document they stand in no order.
    const tops = await lines.evaluateAll((found) => found.map(({ offsetTop }) => offsetTop));
    const top = [...tops].sort((left, right) => left - right)[line - 1];
    await lines.nth(tops.indexOf(top)).click();
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

  /** Asked, and visible everywhere. */
  async asked() {
    await this.notice.first().waitFor();
    await this.card.first().waitFor();
  }

  /** Answered, and shown nowhere any more. */
  async settled() {
    await wait("nothing asks any more", async () => (await this.notice.count()) + (await this.card.count()) === 0);
    await this.statusBar.waitFor({ state: "hidden" });
  }

  async heard(text) {
    await this.chat.getByText(text).last().waitFor();
  }

  /** Puts everything away. What is not saved is dropped. */
  async tidy() {
    await this.key("Escape", "Escape");
    await this.command("View: Close All Editors");
    const dialog = this.page.locator(".monaco-dialog-box");
    await wait("the editors are closed", async () => {
      if (await dialog.isVisible()) {
        await dialog.getByRole("button", { name: "Don't Save" }).click();
      }
      return (await this.page.locator(".tabs-container .tab").count()) === 0;
    });
    await this.command("Notifications: Clear All Notifications");
    await this.command("Pillion: New Session");
  }
}
