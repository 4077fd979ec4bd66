import type { Colours } from "../../mask/overlay";

/** Of drawn regions, by their label; each has its number in the list too. */
export const REGION_COLOURS: Colours = [
  [0, 0, 0],
  [226, 36, 112],
  [10, 158, 140],
  [236, 150, 20],
  [74, 108, 230],
  [150, 70, 200],
  [96, 160, 40],
  [214, 76, 40],
  [40, 160, 210],
];
