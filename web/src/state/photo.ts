// A photo as the page holds it: at its full size for a close look, smaller for the rest.

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

export function closePhoto(photo: Photo): void {
  photo.whole.close();
  photo.shown.close();
}
