/**
 * Collects what happens until the next frame, so that a burst of a thousand happenings renders once.
 * A hidden page has no frames: a timer takes their place there (titles and notifications still follow).
 */
export class FrameBatch<T> {
  private items: T[] = [];
  private scheduled = false;

  constructor(private readonly flush: (items: T[]) => void) {}

  push(item: T): void {
    this.items.push(item);
    if (this.scheduled) return;
    this.scheduled = true;
    onNextFrame(() => {
      this.scheduled = false;
      const items = this.items;
      this.items = [];
      this.flush(items);
    });
  }
}

/** Frames stop when a page is hidden between asking and drawing: whichever comes first, the frame or the timer, runs it once. */
function onNextFrame(run: () => void): void {
  let done = false;
  const once = () => {
    if (done) return;
    done = true;
    clearTimeout(timer);
    cancelAnimationFrame(frame);
    run();
  };
  const timer = setTimeout(once, 100);
  const frame = requestAnimationFrame(once);
}
