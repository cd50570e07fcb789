// Keys as they are called on the person's machine.

/** What the extension binds to Ctrl+Alt and this key. On Windows that is AltGr, which types letters. */
export function shortcut(key: string): string {
  if (/Mac/.test(navigator.platform)) {
    return `Cmd+Option+${key}`;
  }
  return /Win/.test(navigator.platform) && key.length === 1 ? `Alt+P ${key}` : `Ctrl+Alt+${key}`;
}
