import { useCallback, useEffect, useRef } from "react";
import type { Painting } from "../mask/painting";
import { keepDraft } from "./drafts";

// After the last step, ms: a draft of 12 MP takes some 30 ms to write down. Not longer: what a page
// that is left begins to write, the browser may drop.
const CALM_MS = 120;

export interface Drafted {
  key: string;
  painting: Painting | null;
  /** What it is painted on; 0: the photo. */
  base: number;
  /** The photo itself, before it belongs to a run. */
  photo: File | null;
  /** Told once: this browser keeps no drafts. */
  onUnkept: () => void;
}

/** Keep a painting in the browser a moment after each step, and at once when the page is left.
 *
 * Returns what leaves off a step that is not kept yet: its photo has become a run's.
 */
export function useDraft(drafted: Drafted): () => void {
  const { painting } = drafted;
  const now = useRef(drafted);
  now.current = drafted;
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const unkept = useRef(false);
  const forget = useCallback(() => {
    clearTimeout(timer.current);
    timer.current = undefined;
  }, []);
  useEffect(() => {
    if (!painting) return;
    // What a step belongs to is known when it is made: later another run may be in hand.
    let of = now.current;
    const keep = async ({ key, base, photo }: Drafted) => {
      forget();
      const { width, height } = painting;
      const kept = await keepDraft(key, { width, height, kept: painting.kept(), base, photo });
      if (kept || unkept.current) return;
      unkept.current = true;
      now.current.onUnkept();
    };
    // Another base of the same run has the same mask.
    const latest = () => (now.current.key === of.key ? now.current : of);
    const soon = () => {
      forget();
      of = now.current;
      timer.current = setTimeout(() => void keep(latest()), CALM_MS);
    };
    const leave = painting.subscribe(soon);
    // A photo that nothing is painted on yet is kept too.
    if (of.photo) soon();
    const hide = () => timer.current !== undefined && void keep(latest());
    window.addEventListener("pagehide", hide);
    document.addEventListener("visibilitychange", hide);
    return () => {
      if (timer.current !== undefined) void keep(of);
      leave();
      window.removeEventListener("pagehide", hide);
      document.removeEventListener("visibilitychange", hide);
    };
  }, [painting, forget]);
  return forget;
}
