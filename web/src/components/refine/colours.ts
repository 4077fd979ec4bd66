import type { Colours } from "../../mask/overlay";

/** Of drawn regions, by their label, one for each that may be; each has its number in the list too. */
export const REGION_COLOURS: Colours = [
  [0, 0, 0],
  [226, 36, 112],
  [10, 158, 140],
  [236, 150, 20],
  [74, 108, 230],
  [150, 70, 200],
  [96, 160, 40],
  [200, 60, 20],
  [60, 185, 235],
  [250, 225, 60],
  [20, 30, 130],
  [110, 60, 20],
  [250, 170, 205],
  [200, 245, 90],
  [110, 0, 40],
  [150, 240, 210],
  [20, 90, 40],
];
