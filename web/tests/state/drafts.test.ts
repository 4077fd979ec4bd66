import { renderHook, waitFor } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Painting } from "../../src/mask/painting";
import { clearDrafts, draftKey, keepDraft, readDraft, tidyDrafts } from "../../src/state/drafts";
import { type Drafted, useDraft } from "../../src/state/useDraft";

const WEEK = 7 * 24 * 3_600_000;

afterEach(async () => {
  vi.restoreAllMocks();
  await clearDrafts();
});

function painted(label: number): Painting {
  const painting = new Painting(8, 4);
  painting.rectangle({ x0: 0, y0: 0, x1: 2, y1: 2 }, label);
  return painting;
}

const plain = { base: 0, photo: null, onUnkept() {} };

describe("tidying", () => {
  const draft = { width: 8, height: 4, kept: Uint8Array.of(0, 32, 0), base: 0, photo: null };

  it("forgets what other users left, and keeps one's own", async () => {
    await keepDraft(draftKey("ann", "new"), draft);
    await keepDraft(draftKey("anna", "new"), draft);
    await tidyDrafts("ann");
    expect(await readDraft(draftKey("ann", "new"))).not.toBeNull();
    expect(await readDraft(draftKey("anna", "new"))).toBeNull();
  });

  it("forgets what nobody came back to", async () => {
    const now = 100 * WEEK;
    await keepDraft(draftKey("ann", "old"), draft, now - 4 * WEEK);
    await keepDraft(draftKey("ann", "recent"), draft, now - 2 * WEEK);
    await tidyDrafts("ann", now);
    expect(await readDraft(draftKey("ann", "old"))).toBeNull();
    expect(await readDraft(draftKey("ann", "recent"))).not.toBeNull();
  });
});

describe("a step", () => {
  it("is kept for the run that it was made in, though another is in hand by then", async () => {
    const [first, second] = [painted(1), painted(2)];
    const { rerender } = renderHook((drafted: Drafted) => useDraft(drafted), {
      initialProps: { ...plain, key: "ann/one", painting: first, base: 2 },
    });
    first.rectangle({ x0: 4, y0: 0, x1: 8, y1: 4 }, 1);
    rerender({ ...plain, key: "ann/two", painting: second, base: 5 });
    await waitFor(async () => expect(await readDraft("ann/one")).not.toBeNull());
    expect(await readDraft("ann/two")).toBeNull();
    const kept = await readDraft("ann/one");
    expect(kept?.base).toBe(2);
    const back = new Painting(8, 4);
    back.restore(kept!.kept);
    expect([...back.data]).toEqual([...first.data]);
  });

  it("is kept with the base that the same mask lies on now", async () => {
    const painting = painted(1);
    const { rerender } = renderHook((drafted: Drafted) => useDraft(drafted), {
      initialProps: { ...plain, key: "ann/one", painting, base: 0 },
    });
    painting.clear();
    rerender({ ...plain, key: "ann/one", painting, base: 3 });
    await waitFor(async () => expect((await readDraft("ann/one"))?.base).toBe(3));
  });

  it("is left off where its photo has become a run's", async () => {
    const painting = painted(1);
    const { result, unmount } = renderHook(() => useDraft({ ...plain, key: "ann/new", painting }));
    painting.clear();
    result.current();
    unmount();
    await keepDraft("ann/later", { width: 1, height: 1, kept: new Uint8Array(), ...plain });
    expect(await readDraft("ann/new")).toBeNull();
  });

  it("that the browser does not keep is told once", async () => {
    vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(() => {
      throw new DOMException("full", "QuotaExceededError");
    });
    const onUnkept = vi.fn();
    const painting = painted(1);
    renderHook(() => useDraft({ ...plain, key: "ann/one", painting, onUnkept }));
    for (const kept of [1, 2]) {
      painting.invert(1);
      document.dispatchEvent(new Event("visibilitychange"));
      await waitFor(() => expect(IDBObjectStore.prototype.put).toHaveBeenCalledTimes(kept));
    }
    await waitFor(() => expect(onUnkept).toHaveBeenCalledOnce());
  });
});
