import { useSyncExternalStore } from "react";
import type { Painting } from "../mask/painting";

const none = () => () => {};

/** Render again after each step of a painting; returns its revision. */
export function usePainting(painting: Painting | null): number {
  return useSyncExternalStore(painting?.subscribe ?? none, () => painting?.revision ?? 0);
}
