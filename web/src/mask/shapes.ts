// Shapes as rows of pixels: a pixel belongs to a shape where its centre does.

import type { Area, Point } from "./labels";

/** Takes pixels x0 to x1 - 1 of row y. */
export type Row = (y: number, x0: number, x1: number) => void;

/** Give the rows of a round brush's way from one point to another.
 *
 * @param radius of the brush, px; under half a pixel it still marks the pixel it is on.
 * @returns the area that was gone over.
 */
export function strokeRows(
  from: Point,
  to: Point,
  radius: number,
  width: number,
  height: number,
  row: Row,
): Area | null {
  const r = Math.max(radius, 0.5);
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const length = Math.hypot(dx, dy);
  // Half the way's width, across it.
  const nx = length ? (-dy / length) * r : 0;
  const ny = length ? (dx / length) * r : 0;
  const corners = [
    [from.x + nx, from.y + ny, to.x + nx, to.y + ny],
    [to.x + nx, to.y + ny, to.x - nx, to.y - ny],
    [to.x - nx, to.y - ny, from.x - nx, from.y - ny],
    [from.x - nx, from.y - ny, from.x + nx, from.y + ny],
  ] as const;
  const y0 = Math.max(Math.ceil(Math.min(from.y, to.y) - r - 0.5), 0);
  const y1 = Math.min(Math.floor(Math.max(from.y, to.y) + r - 0.5), height - 1);
  let area: Area | null = null;
  for (let y = y0; y <= y1; y++) {
    const at = y + 0.5;
    let left = Number.POSITIVE_INFINITY;
    let right = Number.NEGATIVE_INFINITY;
    for (const end of [from, to]) {
      const rest = r * r - (at - end.y) ** 2;
      if (rest < 0) continue;
      const half = Math.sqrt(rest);
      left = Math.min(left, end.x - half);
      right = Math.max(right, end.x + half);
    }
    for (const [ax, ay, bx, by] of corners) {
      if (ay === by || at < Math.min(ay, by) || at > Math.max(ay, by)) continue;
      const x = ax + ((at - ay) / (by - ay)) * (bx - ax);
      left = Math.min(left, x);
      right = Math.max(right, x);
    }
    const x0 = Math.max(Math.ceil(left - 0.5), 0);
    const x1 = Math.min(Math.floor(right - 0.5) + 1, width);
    if (x1 <= x0) continue;
    row(y, x0, x1);
    area = area
      ? { x0: Math.min(area.x0, x0), y0: area.y0, x1: Math.max(area.x1, x1), y1: y + 1 }
      : { x0, y0: y, x1, y1: y + 1 };
  }
  return area;
}

/** Give the rows of what a closed line goes round (even-odd).
 *
 * @returns the area, null where it holds no pixel's centre.
 */
export function polygonRows(
  points: readonly Point[],
  width: number,
  height: number,
  row: Row,
): Area | null {
  if (points.length < 3) return null;
  const ys = points.map((p) => p.y);
  const y0 = Math.max(Math.floor(Math.min(...ys)), 0);
  const y1 = Math.min(Math.ceil(Math.max(...ys)), height);
  let area: Area | null = null;
  const cuts: number[] = [];
  for (let y = y0; y < y1; y++) {
    const at = y + 0.5;
    cuts.length = 0;
    for (let i = 0; i < points.length; i++) {
      const a = points[i]!;
      const b = points[(i + 1) % points.length]!;
      if (a.y <= at === b.y <= at) continue;
      cuts.push(a.x + ((at - a.y) / (b.y - a.y)) * (b.x - a.x));
    }
    cuts.sort((a, b) => a - b);
    for (let i = 0; i + 1 < cuts.length; i += 2) {
      const x0 = Math.max(Math.ceil(cuts[i]! - 0.5), 0);
      const x1 = Math.min(Math.ceil(cuts[i + 1]! - 0.5), width);
      if (x1 <= x0) continue;
      row(y, x0, x1);
      area = area
        ? {
            x0: Math.min(area.x0, x0),
            y0: area.y0,
            x1: Math.max(area.x1, x1),
            y1: y + 1,
          }
        : { x0, y0: y, x1, y1: y + 1 };
    }
  }
  return area;
}
