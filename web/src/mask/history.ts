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
   * @param count takes each changed tile as it was and as it is.
   */
  commit(count: (before: Uint8Array, after: Uint8Array) => void): void {
    const entry: Entry = { tiles: new Map(), bytes: 0 };
    for (const [tile, before] of this.open) {
      const after = this.read(tile);
      if (same(before, after)) continue;
      count(before, after);
      const runs = toRuns(before);
      entry.tiles.set(tile, runs);
      entry.bytes += runs.length;
    }
    this.open.clear();
    if (!entry.tiles.size) return;
    this.done.push(entry);
    this.undone = [];
    let total = this.bytes;
    while (total > this.mostBytes && this.done.length > 1) total -= this.done.shift()!.bytes;
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

  /** Take the last step back; the area that changed, null where there is none. */
  undo(count: (before: Uint8Array, after: Uint8Array) => void): Area | null {
    return this.swap(this.done, this.undone, count);
  }

  /** Do the last step that was taken back again. */
  redo(count: (before: Uint8Array, after: Uint8Array) => void): Area | null {
    return this.swap(this.undone, this.done, count);
  }

  private swap(
    from: Entry[],
    to: Entry[],
    count: (before: Uint8Array, after: Uint8Array) => void,
  ): Area | null {
    const entry = from.pop();
    if (!entry) return null;
    const other: Entry = { tiles: new Map(), bytes: 0 };
    let area: Area | null = null;
    for (const [tile, runs] of entry.tiles) {
      const now = this.read(tile);
      const place = this.place(tile);
      const then = fromRuns(runs, now.length);
      count(now, then);
      this.write(place, then);
      const kept = toRuns(now);
      other.tiles.set(tile, kept);
      other.bytes += kept.length;
      area = joined(area, place);
    }
    to.push(other);
    return area;
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

function same(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
