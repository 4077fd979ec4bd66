// What each tab of the drawer sends, and why it may not be sent yet: checked as the API does it.

import type { Parameters, RefineRequest } from "./types";

export type Bbox = [number, number, number, number];

export interface Correction {
  bbox: Bbox;
  text: string;
}

export interface Region {
  /** null: it is drawn. */
  bbox: Bbox | null;
  prompt: string;
}

export interface Given {
  base: number;
  creativity: number;
  parameters: Parameters;
}

/** A request that may be sent, or what it still lacks, in words. */
export type Order =
  | { request: RefineRequest; problem?: never }
  | { problem: string; request?: never };

export const MOST_CORRECTIONS = 32;
export const MOST_LETTERS = 200;
export const MOST_REGIONS = 16;
/** Of a text in words, bytes in UTF-8. */
export const MOST_TEXT_BYTES = 2_048;

// What the bundled fonts have: Latin up to Extended-A, and the usual signs.
const WRITABLE = /^[\u0020-\u007e\u00a0-\u017fȘșȚțẞ–—‘’‚“”„†‡•…‰‹›€™−]*$/u;
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/u;

/** Return what is wrong with a text in words, null where nothing is. */
export function wordsProblem(name: string, text: string, needed: boolean): string | null {
  if (needed && !text.trim()) return `${name}: say in words what it should be.`;
  const bytes = new TextEncoder().encode(text).length;
  if (bytes <= MOST_TEXT_BYTES) return null;
  return `${name}: at most ${MOST_TEXT_BYTES} bytes fit, this has ${bytes}.`;
}

/** Return what is wrong with a line that is to be set, null where nothing is. */
export function letteringProblem(text: string): string | null {
  const line = text.trim().normalize("NFC");
  if (!line) return "Type the text that should stand here.";
  if ([...line].length > MOST_LETTERS) return `At most ${MOST_LETTERS} characters fit.`;
  if (RIGHT_TO_LEFT.test(line)) return "Text written from right to left cannot be set yet.";
  if (!WRITABLE.test(line)) return "Only Latin letters, digits and punctuation can be set.";
  return null;
}

/** Return what is wrong with boxes in a photo, null where nothing is; named from 1. */
export function boxesProblem(
  boxes: readonly (Bbox | null)[],
  width: number,
  height: number,
): string | null {
  for (const [index, box] of boxes.entries()) {
    if (!box) continue;
    const [x, y, w, h] = box;
    if (!box.every(Number.isInteger)) return `Box ${index + 1}: whole numbers are needed.`;
    if (w < 1 || h < 1) return `Box ${index + 1} is empty.`;
    if (x < 0 || y < 0 || x + w > width || y + h > height) {
      return `Box ${index + 1} leaves the photo, which is ${width} × ${height} px.`;
    }
    for (const [other, b] of boxes.slice(0, index).entries()) {
      if (b && x < b[0] + b[2] && b[0] < x + w && y < b[1] + b[3] && b[1] < y + h) {
        return `Boxes ${other + 1} and ${index + 1} overlap.`;
      }
    }
  }
  return null;
}

export function subjectOrder(
  given: Given,
  instructions: string,
  referenceFileId: string | null,
): Order {
  const problem = wordsProblem("What to change", instructions, true);
  if (problem) return { problem };
  const payload = {
    ...(referenceFileId ? { referenceFileId } : {}),
    instructions: instructions.trim(),
  };
  return { request: { type: "subject", payload, ...given } };
}

export function textOrder(
  given: Given,
  corrections: readonly Correction[],
  instructions: string,
  photo: { width: number; height: number },
): Order {
  if (!corrections.length) return { problem: "Draw a box over the text, or add one below." };
  const boxes = corrections.map((one) => one.bbox);
  const problem =
    boxesProblem(boxes, photo.width, photo.height) ??
    corrections.map((one) => letteringProblem(one.text)).find(Boolean) ??
    wordsProblem("Notes", instructions, false);
  if (problem) return { problem };
  const payload = {
    corrections: corrections.map(({ bbox, text }) => ({
      bbox,
      text: text.trim().normalize("NFC"),
    })),
    ...(instructions.trim() ? { instructions: instructions.trim() } : {}),
  };
  return { request: { type: "text", payload, ...given } };
}

/** Drawn regions are numbered in their order: `masks[k]` of the request is the k-th of them.
 *
 * @param drawnIn gives the index of a drawn region that has pixels within a box, -1 for none.
 */
export function regionOrder(
  given: Given,
  regions: readonly Region[],
  photo: { width: number; height: number },
  drawnIn: (box: Bbox) => number = () => -1,
): Order {
  if (!regions.length) return { problem: "Add a region: a box, or one that you draw." };
  const problem =
    boxesProblem(
      regions.map((one) => one.bbox),
      photo.width,
      photo.height,
    ) ??
    drawnOverProblem(regions, drawnIn) ??
    regions.map((one) => wordsProblem("Prompt", one.prompt, false)).find(Boolean);
  if (problem) return { problem };
  let drawn = 0;
  const masks = regions.map(({ bbox, prompt }) => ({
    ...(bbox ? { bbox } : { mask: drawn++ }),
    ...(prompt.trim() ? { prompt: prompt.trim() } : {}),
  }));
  return { request: { type: "region", payload: { masks }, ...given } };
}

function drawnOverProblem(
  regions: readonly Region[],
  drawnIn: (box: Bbox) => number,
): string | null {
  for (const [index, { bbox }] of regions.entries()) {
    const drawn = bbox ? drawnIn(bbox) : -1;
    if (drawn < 0) continue;
    return `Region ${drawn + 1} is painted into the box of region ${index + 1}: erase it there, or move the box.`;
  }
  return null;
}

export function generalOrder(given: Given, prompt: string): Order {
  const problem = wordsProblem("What to change", prompt, true);
  if (problem) return { problem };
  return { request: { type: "general", payload: { prompt: prompt.trim() }, ...given } };
}
