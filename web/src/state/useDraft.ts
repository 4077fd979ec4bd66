import { useEffect, useRef } from "react";
import type { Painting } from "../mask/painting";
import { keepDraft } from "./drafts";

// After the last step, ms: a draft of 12 MP takes some 30 ms to write down. Not longer: what a page
// that is left begins to write, the browser may drop.
const CALM_MS = 120;

/** Keep a painting in the browser a moment after each step, and at once when the page is left. */
export function useDraft(
  key: string,
  painting: Painting | null,
  base: number,
  photo: File | null,
): void {
  const about = useRef({ key, base, photo });
  about.current = { key, base, photo };
  useEffect(() => {
    if (!painting) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const keep = () => {
      clearTimeout(timer);
      timer = undefined;
      const { width, height } = painting;
      const { key, base, photo } = about.current;
      void keepDraft(key, { width, height, kept: painting.kept(), base, photo });
    };
    const soon = () => {
      clearTimeout(timer);
      timer = setTimeout(keep, CALM_MS);
    };
    const leave = painting.subscribe(soon);
    // A photo that nothing is painted on yet is kept too.
    if (about.current.photo) soon();
    const hide = () => timer !== undefined && keep();
    window.addEventListener("pagehide", hide);
    document.addEventListener("visibilitychange", hide);
    return () => {
      hide();
      leave();
      window.removeEventListener("pagehide", hide);
      document.removeEventListener("visibilitychange", hide);
    };
  }, [painting]);
}
