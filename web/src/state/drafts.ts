// Unfinished masks, kept in the browser so that a reload loses none.

import { createStore, del, get, set } from "idb-keyval";

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

/** Where a draft is kept while its photo belongs to no run. */
export const NEW = "new";

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
export async function keepDraft(key: string, draft: Draft): Promise<boolean> {
  try {
    await set(key, draft, drafts());
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
