// A photo as the page holds it: at its full size for a close look, smaller for the rest.

import type { Studio } from "../api/types";
import type { Size } from "../mask/view";

export interface Photo extends Size {
  name: string;
  whole: ImageBitmap;
  /** At most SHOWN px on its longest side: drawing 12 MP takes some frames each time. */
  shown: ImageBitmap;
  /** null: it is a run's, and the API has it. */
  file: File | null;
}

const SHOWN = 2_048;

/** Decode a picture, upright; Error where the browser cannot. */
export async function openPhoto(picture: Blob, name: string): Promise<Photo> {
  const whole = await createImageBitmap(picture);
  const { width, height } = whole;
  const shrink = SHOWN / Math.max(width, height);
  const shown =
    shrink >= 1
      ? whole
      : await createImageBitmap(whole, {
          resizeWidth: Math.round(width * shrink),
          resizeHeight: Math.round(height * shrink),
          resizeQuality: "high",
        });
  const file = picture instanceof File ? picture : null;
  return { name, width, height, whole, shown, file };
}

/** Return why a server does not take a photo of this size, null where it does. */
export function sizeProblem(
  { name, width, height }: Size & { name: string },
  { minSide, maxSide, maxPixels }: Studio["limits"],
): string | null {
  const has = `${name} has ${width} × ${height} px`;
  if (Math.min(width, height) < minSide) return `${has}; each side needs at least ${minSide} px.`;
  if (Math.max(width, height) > maxSide) return `${has}; at most ${maxSide} px a side are taken.`;
  if (width * height <= maxPixels) return null;
  const most = Math.floor(maxPixels / 1e6);
  return `${has}, ${Math.ceil((width * height) / 1e6)} megapixels; at most ${most} are taken.`;
}

export function closePhoto(photo: Photo): void {
  photo.whole.close();
  photo.shown.close();
}
