import { useState } from "react";
import { Painting } from "../../mask/painting";
import { maskPngs } from "../../mask/png";
import type { Photo } from "../../state/photo";

/** What may change, in the painting. */
export const DRAWN = 1;

/** What may change of a picture: all of it, or what is painted. */
export interface Part {
  only: boolean;
  painting: Painting | null;
}

/** Keep a part; another version's size alone begins anew. */
export function usePart(photo: Photo | null): [Part, (part: Part) => void] {
  const [part, setPart] = useState<Part>({ only: false, painting: null });
  const { painting } = part;
  if (photo && !(painting?.width === photo.width && painting.height === photo.height)) {
    setPart({ ...part, painting: new Painting(photo.width, photo.height) });
  }
  return [part, setPart];
}

/** Return what is wrong with a part, null where nothing is. */
export function partProblem({ only, painting }: Part): string | null {
  if (!only) return null;
  if (!painting) return "The picture is being opened.";
  return painting.count(DRAWN) ? null : "Paint over what may change, or change all of it.";
}

/** Return the mask of a part as a PNG file; none where all of the picture may change. */
export async function partMasks({ only, painting }: Part): Promise<Blob[]> {
  if (!only || !painting) return [];
  return maskPngs([painting.mask(DRAWN)], painting.width, painting.height);
}
