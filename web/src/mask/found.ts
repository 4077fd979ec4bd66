import type { Found } from "../api/types";
import { readMask } from "./png";

/** Return the mask UINT8 [height * width] of something that the server found. */
export async function foundMask(found: Found, width: number, height: number): Promise<Uint8Array> {
  const bytes = Uint8Array.from(atob(found.mask), (one) => one.charCodeAt(0));
  return readMask(new Blob([bytes], { type: "image/png" }), width, height);
}
