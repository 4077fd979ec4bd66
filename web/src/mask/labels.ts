// What a pixel of a painting is. One byte per pixel holds it, so nothing is two things at once.

export const KEEP = 0;
export const REMOVE = 1;
export const PROTECT = 2;

export type Label = number;

/** A rectangle of a photo, px: [x0, x1) by [y0, y1). */
export interface Area {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

export interface Point {
  x: number;
  y: number;
}

/** Return the smallest area with both in it. */
export function joined(a: Area | null, b: Area | null): Area | null {
  if (!a) return b;
  if (!b) return a;
  return {
    x0: Math.min(a.x0, b.x0),
    y0: Math.min(a.y0, b.y0),
    x1: Math.max(a.x1, b.x1),
    y1: Math.max(a.y1, b.y1),
  };
}

/** Return what of an area lies within a photo, in whole px; null where nothing does. */
export function within(area: Area, width: number, height: number): Area | null {
  const x0 = Math.max(Math.floor(area.x0), 0);
  const y0 = Math.max(Math.floor(area.y0), 0);
  const x1 = Math.min(Math.ceil(area.x1), width);
  const y1 = Math.min(Math.ceil(area.y1), height);
  return x1 > x0 && y1 > y0 ? { x0, y0, x1, y1 } : null;
}
