// Draws a painting over what of the photo is on the screen, exactly as its pixels are.

import { type Area, PROTECT } from "./labels";
import type { Painting } from "./painting";
import type { View } from "./view";

/** Red, green, blue of a label, 0 to 255. */
export type Colours = readonly (readonly [number, number, number])[];

// Opacity of what is marked, 0 to 255, and of the other stripes of what is protected, which is
// told apart by its pattern too.
const OPAQUE = 140;
const STRIPE = 64;

/** A canvas of the screen's size, redrawn where the painting changes. */
export class Overlay {
  readonly canvas = document.createElement("canvas");
  private readonly context = this.canvas.getContext("2d");
  private view: View = { scale: 1, x: 0, y: 0 };
  private ratio = 1;

  constructor(
    private readonly painting: Painting,
    private readonly colours: Colours,
    private readonly striped = PROTECT,
  ) {}

  /** Show a view; sizes in px of the page, `ratio` device px for each. */
  show(view: View, width: number, height: number, ratio: number): void {
    const wide = Math.max(Math.round(width * ratio), 1);
    const high = Math.max(Math.round(height * ratio), 1);
    if (this.canvas.width !== wide) this.canvas.width = wide;
    if (this.canvas.height !== high) this.canvas.height = high;
    this.ratio = ratio;
    this.view = view;
    this.draw(0, 0, wide, high);
  }

  /** Draw an area of the photo anew. */
  redraw(area: Area): void {
    const { scale, x, y } = this.view;
    const to = (at: number, offset: number) => (at * scale + offset) * this.ratio;
    // A pixel of the screen has samples of its neighbours' too.
    const x0 = Math.max(Math.floor(to(area.x0, x)) - 1, 0);
    const y0 = Math.max(Math.floor(to(area.y0, y)) - 1, 0);
    const x1 = Math.min(Math.ceil(to(area.x1, x)) + 1, this.canvas.width);
    const y1 = Math.min(Math.ceil(to(area.y1, y)) + 1, this.canvas.height);
    if (x1 > x0 && y1 > y0) this.draw(x0, y0, x1, y1);
  }

  private draw(x0: number, y0: number, x1: number, y1: number): void {
    if (!this.context) return;
    const wide = x1 - x0;
    const image = this.context.createImageData(wide, y1 - y0);
    sample(this.painting, this.colours, this.striped, image.data, {
      x0,
      y0,
      wide,
      high: y1 - y0,
      step: 1 / (this.view.scale * this.ratio),
      left: -this.view.x / this.view.scale,
      top: -this.view.y / this.view.scale,
    });
    this.context.putImageData(image, x0, y0);
  }
}

interface Samples {
  x0: number;
  y0: number;
  wide: number;
  high: number;
  /** Photo px for each px of the screen. */
  step: number;
  left: number;
  top: number;
}

/** Fill RGBA with labels' colours: one sample where the photo is enlarged, else four. */
export function sample(
  painting: { data: Uint8Array; width: number; height: number },
  colours: Colours,
  striped: number,
  out: Uint8ClampedArray,
  { x0, y0, wide, high, step, left, top }: Samples,
): void {
  const { data, width, height } = painting;
  const fine = step <= 1;
  const [first, second] = fine ? [0.5, 0.5] : [0.25, 0.75];
  const place = (offset: number, at: number, most: number) => {
    const whole = Math.floor(offset + at * step);
    return whole < 0 || whole >= most ? -1 : whole;
  };
  const columns = new Int32Array(wide * 2);
  for (let x = 0; x < wide; x++) {
    columns[x * 2] = place(left, x0 + x + first, width);
    columns[x * 2 + 1] = place(left, x0 + x + second, width);
  }
  for (let y = 0; y < high; y++) {
    const above = place(top, y0 + y + first, height) * width;
    const below = fine ? -1 : place(top, y0 + y + second, height) * width;
    for (let x = 0; x < wide; x++) {
      const a = columns[x * 2]!;
      const b = columns[x * 2 + 1]!;
      let label = 0;
      let hits = 0;
      for (let i = 0; i < (fine ? 1 : 4); i++) {
        const row = i < 2 ? above : below;
        const column = i & 1 ? b : a;
        const value = row < 0 || column < 0 ? 0 : data[row + column]!;
        if (value) {
          label = value;
          hits += fine ? 4 : 1;
        }
      }
      if (!label) continue;
      const colour = colours[label % colours.length]!;
      const thin = label === striped && (x0 + x + y0 + y) % 12 < 6;
      const at = (y * wide + x) * 4;
      out[at] = colour[0];
      out[at + 1] = colour[1];
      out[at + 2] = colour[2];
      out[at + 3] = ((thin ? STRIPE : OPAQUE) * hits) / 4;
    }
  }
}
