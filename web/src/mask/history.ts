// Undo and redo by tiles: an entry holds the tiles that a stroke changed, as they were.

import { type Area, joined } from "./labels";
import { fromRuns, toRuns } from "./runs";

/** Side of a tile, px: a stroke of a 12 MP photo touches some of its 200. */
export const TILE = 256;
// What all entries may take, bytes. A stroke takes some kB; 32 MB are thousands.
const MOST_BYTES = 32_000_000;

interface Entry {
  tiles: Map<number, Uint8Array>;
  bytes: number;
}

/** What a step back or forth changed. */
export interface Step {
  area: Area;
  /** How many pixels more each value has since. */
  more: Int32Array;
}

/** The steps of a painting UINT8 [height * width] that is changed in place. */
export class History {
  private undone: Entry[] = [];
  private done: Entry[] = [];
  private open = new Map<number, Uint8Array>();
  private readonly across: number;

  constructor(
    private readonly data: Uint8Array,
    private readonly width: number,
    private readonly height: number,
    private readonly mostBytes = MOST_BYTES,
  ) {
    this.across = Math.ceil(width / TILE);
  }

  get canUndo(): boolean {
    return this.done.length > 0;
  }

  get canRedo(): boolean {
    return this.undone.length > 0;
  }

  /** Bytes that all entries take. */
  get bytes(): number {
    return [...this.done, ...this.undone].reduce((sum, entry) => sum + entry.bytes, 0);
  }

  /** Keep the tiles of an area before it is changed; each once between two commits. */
  touch(area: Area): void {
    const last = (to: number) => Math.floor((to - 1) / TILE);
    for (let row = Math.floor(area.y0 / TILE); row <= last(area.y1); row++) {
      for (let column = Math.floor(area.x0 / TILE); column <= last(area.x1); column++) {
        const tile = row * this.across + column;
        if (!this.open.has(tile)) this.open.set(tile, this.read(tile));
      }
    }
  }

  /** Make one step of what changed since the last commit; of nothing where nothing did.
   *
   * @returns how many pixels more each value has since.
   */
  commit(): Int32Array {
    const more = new Int32Array(256);
    const entry: Entry = { tiles: new Map(), bytes: 0 };
    for (const [tile, before] of this.open) {
      if (this.changed(tile, before, more)) keep(entry, tile, before);
    }
    this.open.clear();
    if (!entry.tiles.size) return more;
    this.done.push(entry);
    this.undone = [];
    let total = this.bytes;
    while (total > this.mostBytes && this.done.length > 1) total -= this.done.shift()!.bytes;
    return more;
  }

  /** Put back what was changed since the last commit; the area, null where nothing was. */
  abandon(): Area | null {
    let area: Area | null = null;
    for (const [tile, before] of this.open) {
      const place = this.place(tile);
      this.write(place, before);
      area = joined(area, place);
    }
    this.open.clear();
    return area;
  }

  /** Take the last step back; null where there is none. */
  undo(): Step | null {
    return this.swap(this.done, this.undone);
  }

  /** Do the last step that was taken back again; null where there is none. */
  redo(): Step | null {
    return this.swap(this.undone, this.done);
  }

  private swap(from: Entry[], to: Entry[]): Step | null {
    const entry = from.pop();
    if (!entry) return null;
    const other: Entry = { tiles: new Map(), bytes: 0 };
    const more = new Int32Array(256);
    let area: Area | null = null;
    for (const [tile, runs] of entry.tiles) {
      const now = this.read(tile);
      const place = this.place(tile);
      this.write(place, fromRuns(runs, now.length));
      this.changed(tile, now, more);
      keep(other, tile, now);
      area = joined(area, place);
    }
    to.push(other);
    return area && { area, more };
  }

  /** Count what a tile has more of each value than it had; false where nothing changed. */
  private changed(tile: number, before: Uint8Array, more: Int32Array): boolean {
    const { x0, y0, x1, y1 } = this.place(tile);
    const { data, width } = this;
    let some = false;
    let i = 0;
    for (let y = y0; y < y1; y++) {
      const end = y * width + x1;
      for (let at = y * width + x0; at < end; at++, i++) {
        const was = before[i]!;
        const is = data[at]!;
        if (was === is) continue;
        some = true;
        more[was]!--;
        more[is]!++;
      }
    }
    return some;
  }

  private place(tile: number): Area {
    const x0 = (tile % this.across) * TILE;
    const y0 = Math.floor(tile / this.across) * TILE;
    return { x0, y0, x1: Math.min(x0 + TILE, this.width), y1: Math.min(y0 + TILE, this.height) };
  }

  private read(tile: number): Uint8Array {
    const { x0, y0, x1, y1 } = this.place(tile);
    const out = new Uint8Array((x1 - x0) * (y1 - y0));
    for (let y = y0; y < y1; y++) {
      const start = y * this.width;
      out.set(this.data.subarray(start + x0, start + x1), (y - y0) * (x1 - x0));
    }
    return out;
  }

  private write({ x0, y0, x1, y1 }: Area, bytes: Uint8Array): void {
    const wide = x1 - x0;
    for (let y = y0; y < y1; y++) {
      const row = bytes.subarray((y - y0) * wide, (y - y0 + 1) * wide);
      this.data.set(row, y * this.width + x0);
    }
  }
}

function keep(entry: Entry, tile: number, bytes: Uint8Array): void {
  const runs = toRuns(bytes);
  entry.tiles.set(tile, runs);
  entry.bytes += runs.length;
}
