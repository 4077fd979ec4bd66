// Which page is shown: the address says it, so that a reload shows it again.

import { useSyncExternalStore } from "react";

const RUN = /^\/runs\/([^/]+)\/?$/;
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("popstate", listener);
  };
}

/** Return the run in an address, null where there is none. */
export function runIn(path: string): string | null {
  const found = RUN.exec(path)?.[1];
  try {
    return found ? decodeURIComponent(found) : null;
  } catch {
    return null;
  }
}

/** Return the run that the address names, null for a new picture. */
export function useRunId(): string | null {
  return runIn(useSyncExternalStore(subscribe, () => window.location.pathname));
}

/** Show a run, or a new picture. */
export function goTo(runId: string | null): void {
  const path = runId === null ? "/" : `/runs/${encodeURIComponent(runId)}`;
  if (window.location.pathname !== path) window.history.pushState(null, "", path);
  for (const listener of listeners) listener();
}
