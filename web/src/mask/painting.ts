// A painting over a photo: one byte per pixel at the photo's full size, changed in steps.

import { History, type Step } from "./history";
import { type Area, joined, KEEP, type Label, type Point, within } from "./labels";
import { fromRuns, toRuns } from "./runs";
import { polygonRows, strokeRows } from "./shapes";

type Redraw = (area: Area) => void;

/** What is marked in a photo of `width` by `height` px.
 *
 * Changes are drawn at once (`onRedraw` says where) and become one step of undo by `commit`, which
 * tells `subscribe`d ones.
 */
export class Painting {
  readonly data: Uint8Array;
  /** Grows with each step: what depends on the painting is up to date with it. */
  revision = 0;
  private readonly history: History;
  private readonly counts = new Int32Array(256);
  private readonly listeners = new Set<() => void>();
  private readonly redraws = new Set<Redraw>();

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.data = new Uint8Array(width * height);
    this.history = new History(this.data, width, height);
  }

  get canUndo(): boolean {
    return this.history.canUndo;
  }

  get canRedo(): boolean {
    return this.history.canRedo;
  }

  /** Pixels of a label, as of the last step. */
  count(label: Label): number {
    return this.counts[label] ?? 0;
  }

  /** Return the first of some labels that stands within an area, KEEP where none of them does. */
  firstIn(area: Area, labels: ReadonlySet<Label>): Label {
    const inside = within(area, this.width, this.height);
    if (!inside || !labels.size) return KEEP;
    for (let y = inside.y0; y < inside.y1; y++) {
      for (let at = y * this.width + inside.x0; at < y * this.width + inside.x1; at++) {
        const label = this.data[at]!;
        if (label !== KEEP && labels.has(label)) return label;
      }
    }
    return KEEP;
  }

  /** Share of the photo with a label, 0 to 1. */
  share(label: Label): number {
    return this.count(label) / this.data.length;
  }

  /** Draw a round brush's way; `radius` in px of the photo. Not a step yet: see `commit`. */
  stroke(from: Point, to: Point, radius: number, label: Label): void {
    const r = Math.max(radius, 0.5) + 1;
    const way = {
      x0: Math.min(from.x, to.x) - r,
      y0: Math.min(from.y, to.y) - r,
      x1: Math.max(from.x, to.x) + r,
      y1: Math.max(from.y, to.y) + r,
    };
    this.change(way, () => strokeRows(from, to, radius, this.width, this.height, this.row(label)));
  }

  rectangle(area: Area, label: Label): void {
    const whole = within(
      {
        x0: Math.round(area.x0),
        y0: Math.round(area.y0),
        x1: Math.round(area.x1),
        y1: Math.round(area.y1),
      },
      this.width,
      this.height,
    );
    if (!whole) return;
    this.change(whole, () => {
      for (let y = whole.y0; y < whole.y1; y++) this.row(label)(y, whole.x0, whole.x1);
      return whole;
    });
    this.commit();
  }

  /** Fill what a closed line goes round. */
  lasso(points: readonly Point[], label: Label): void {
    if (points.length < 3) return;
    const box = points.reduce<Area>((a, p) => joined(a, { x0: p.x, y0: p.y, x1: p.x, y1: p.y })!, {
      x0: points[0]!.x,
      y0: points[0]!.y,
      x1: points[0]!.x,
      y1: points[0]!.y,
    });
    this.change(box, () => polygonRows(points, this.width, this.height, this.row(label)));
    this.commit();
  }

  /** Give a label to what a mask UINT8 [height * width] marks (>= 128), beside what is there.
   *
   * @param instead whether the label is taken from all else first.
   * @param under a label that stays where it is.
   */
  mark(mask: Uint8Array, label: Label, instead = false, under?: Label): void {
    if (mask.length !== this.data.length) {
      throw new Error(`mask: expected ${this.data.length} pixels, got ${mask.length}`);
    }
    this.everywhere((value, i) => {
      if (mask[i]! >= 128 && value !== under) return label;
      return instead && value === label ? KEEP : value;
    });
  }

  /** Exchange what has a label and what has none; other labels stay. */
  invert(label: Label): void {
    this.everywhere((value) => (value === label ? KEEP : value === KEEP ? label : value));
  }

  /** Take a label, or all of them, away. */
  clear(label?: Label): void {
    this.everywhere((value) => (label === undefined || value === label ? KEEP : value));
  }

  /** Make one step of all that changed since the last one. */
  commit(): void {
    this.counted(this.history.commit());
    this.tell();
  }

  /** Put back what was drawn since the last step: a stroke that became a pinch. */
  abandon(): void {
    this.redraw(this.history.abandon());
  }

  undo(): void {
    this.step(this.history.undo());
  }

  redo(): void {
    this.step(this.history.redo());
  }

  /** Return a mask UINT8 [height * width] of a label: 255, else 0. */
  mask(label: Label): Uint8Array {
    const out = new Uint8Array(this.data.length);
    for (let i = 0; i < out.length; i++) if (this.data[i] === label) out[i] = 255;
    return out;
  }

  /** Return all of it, to be kept. */
  kept(): Uint8Array {
    return toRuns(this.data);
  }

  /** Take what `kept` gave, as a step; Error where it was of a photo of another size. */
  restore(kept: Uint8Array): void {
    const bytes = fromRuns(kept, this.data.length);
    this.everywhere((_, i) => bytes[i]!);
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  onRedraw(redraw: Redraw): () => void {
    this.redraws.add(redraw);
    return () => this.redraws.delete(redraw);
  }

  private row(label: Label): (y: number, x0: number, x1: number) => void {
    return (y, x0, x1) => this.data.fill(label, y * this.width + x0, y * this.width + x1);
  }

  private change(touched: Area, draw: () => Area | null): void {
    const inside = within(touched, this.width, this.height);
    if (!inside) return;
    this.history.touch(inside);
    this.redraw(draw());
  }

  private everywhere(value: (value: Label, index: number) => Label): void {
    const all = { x0: 0, y0: 0, x1: this.width, y1: this.height };
    this.change(all, () => {
      for (let i = 0; i < this.data.length; i++) this.data[i] = value(this.data[i]!, i);
      return all;
    });
    this.commit();
  }

  private redraw(area: Area | null): void {
    if (area) for (const redraw of this.redraws) redraw(area);
  }

  private step(step: Step | null): void {
    if (!step) return;
    this.redraw(step.area);
    this.counted(step.more);
    this.tell();
  }

  private counted(more: Int32Array): void {
    for (let label = 0; label < more.length; label++) this.counts[label]! += more[label]!;
  }

  private tell(): void {
    this.revision++;
    for (const listener of this.listeners) listener();
  }
}
