export const TOOLS = ["brush", "eraser", "rectangle", "lasso", "pan"] as const;
export type Tool = (typeof TOOLS)[number];

// Diameter of a brush, photo px.
export const SMALLEST = 1;
export const LARGEST = 2_000;
// A step of the wheel or of a key: a fifth, which takes 12 of them from 10 to 100 px.
const STEP = 1.2;

/** Return a brush one step larger or smaller, in whole px; it always changes within the bounds. */
export function stepped(size: number, larger: boolean): number {
  const next = larger
    ? Math.max(Math.round(size * STEP), size + 1)
    : Math.min(Math.round(size / STEP), size - 1);
  return Math.min(Math.max(next, SMALLEST), LARGEST);
}

/** Return the size that a brush begins with: a thirtieth of the photo's longer side. */
export function firstSize(photo: { width: number; height: number }): number {
  return Math.min(Math.max(Math.round(Math.max(photo.width, photo.height) / 30), 8), LARGEST);
}
