// Rendering by animation frame: what changed is marked as often as it changes, and brought to the screen once a frame.

export interface Part {
  render(): void;
}

/** Of the time, as much as rendering may take: the rest belongs to typing and scrolling. */
const SHARE = 0.4;
/** Milliseconds of work after which a frame counts as dear, and the next one waits. */
const CHEAP = 6;

export class Frames {
  private readonly dirty = new Set<Part>();
  private isAsked = false;

  /** `after` is called when what changed was rendered. */
  constructor(private readonly after: () => void) {}

  mark(part: Part): void {
    this.dirty.add(part);
    if (!this.isAsked) {
      this.isAsked = true;
      requestAnimationFrame(() => this.frame());
    }
  }

  clear(): void {
    this.dirty.clear();
  }

  private frame(): void {
    const began = performance.now();
    const parts = [...this.dirty];
    this.dirty.clear();
    for (const part of parts) {
      part.render();
    }
    this.after();
    const took = performance.now() - began;
    const next = () => {
      if (this.dirty.size > 0) {
        requestAnimationFrame(() => this.frame());
      } else {
        this.isAsked = false;
      }
    };
    if (took > CHEAP) {
      setTimeout(next, took / SHARE - took);
    } else {
      next();
    }
  }
}
