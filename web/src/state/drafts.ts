// Unfinished masks, kept in the browser so that a reload loses none.

import { clear, createStore, del, delMany, entries, get, set } from "idb-keyval";

export interface Draft {
  width: number;
  height: number;
  /** What `Painting.kept` gave. */
  kept: Uint8Array;
  /** What it is painted on; 0: the photo. */
  base: number;
  /** The photo itself, before it belongs to a run. */
  photo: File | null;
}

// Who has not come back to a mask for so long, ms, draws it anew: three weeks.
const OLDEST_MS = 21 * 24 * 3_600_000;

/** Where a draft is kept while its photo belongs to no run. */
export const NEW = "new";

/** Return the key of somebody's draft: nobody else who signs in here is shown it. */
export function draftKey(user: string | null, of: string): string {
  return `${user ?? ""}/${of}`;
}

let store: ReturnType<typeof createStore> | null = null;
function drafts() {
  store ??= createStore("pawfect", "drafts");
  return store;
}

/** Return a draft, null where there is none or the browser keeps nothing (private windows). */
export async function readDraft(key: string): Promise<Draft | null> {
  try {
    return (await get<Draft>(key, drafts())) ?? null;
  } catch {
    return null;
  }
}

/** Keep a draft; false where the browser does not. */
export async function keepDraft(key: string, draft: Draft, at = Date.now()): Promise<boolean> {
  try {
    await set(key, { ...draft, at }, drafts());
    return true;
  } catch {
    return false;
  }
}

export async function dropDraft(key: string): Promise<void> {
  try {
    await del(key, drafts());
  } catch {
    // Nothing was kept.
  }
}

/** Forget what other users left here, and what is older than some weeks. */
export async function tidyDrafts(user: string | null, now = Date.now()): Promise<void> {
  try {
    const all = await entries<string, Draft & { at?: number }>(drafts());
    const old = all.filter(
      ([key, { at }]) => !key.startsWith(draftKey(user, "")) || now - (at ?? 0) > OLDEST_MS,
    );
    await delMany(
      old.map(([key]) => key),
      drafts(),
    );
  } catch {
    // Nothing was kept.
  }
}

/** Forget all of them: somebody signs out. */
export async function clearDrafts(): Promise<void> {
  try {
    await clear(drafts());
  } catch {
    // Nothing was kept.
  }
}
