import { useEffect, useState } from "react";
import { fileOf, photoUrl } from "../api/client";
import type { Run } from "../api/types";
import { closePhoto, openPhoto, type Photo } from "./photo";

/** Return a version's picture to draw on, null until it is there; none for null. */
export function useBase(run: Run, base: number | null): Photo | null {
  const [photo, setPhoto] = useState<{ url: string; photo: Photo } | null>(null);
  const chosen = run.versions.find((one) => one.version === base);
  const url = base === null ? null : base === 0 ? photoUrl(run.runId) : (chosen?.imageUrl ?? null);
  useEffect(() => {
    if (!url) return;
    let left = false;
    let opened: Photo | null = null;
    void fileOf(url)
      .then((file) => openPhoto(file, url))
      .then(
        (found) => {
          if (left) return closePhoto(found);
          opened = found;
          setPhoto({ url, photo: found });
        },
        () => {
          // The card of that version shows what is wrong with it.
        },
      );
    return () => {
      left = true;
      setPhoto(null);
      if (opened) closePhoto(opened);
    };
  }, [url]);
  return photo?.url === url ? photo.photo : null;
}
