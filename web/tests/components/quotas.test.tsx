import { render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Run } from "../../src/api/types";
import { VersionCard } from "../../src/components/look/VersionCard";
import { NoticeProvider } from "../../src/components/NoticeProvider";
import RefineDrawer from "../../src/components/refine/RefineDrawer";
import { StudioPage } from "../../src/components/StudioPage";
import { clearDrafts } from "../../src/state/drafts";
import { answering, refusal } from "../answers";
import { studioWith } from "../studio";
import { version } from "../version";

// What the board shows needs a canvas, which there is none of here; the rest of the page is real.
vi.mock("../../src/components/paint/MaskCanvas", () => ({ MaskCanvas: () => null }));

const JOBS =
  "quota of jobs: expected at most 2 of yours to wait or run at a time, got 2 already; wait until one is over, or cancel one";
const STORAGE =
  "quota of storage: expected at most 1,024.0 MiB of yours, got 1,023.9 MiB already and 4.0 MiB more; delete what you no longer need";
const JUDGES =
  "quota of judges: expected at most 10 USD a day (UTC), got 9.9 USD spent, 0 USD held for your jobs under way and up to 0.5 USD for this one; send it without remote, or wait for the next day";

beforeEach(() => {
  const bitmap = { width: 120, height: 90, close() {} };
  vi.stubGlobal("createImageBitmap", async () => bitmap);
});
afterEach(async () => {
  vi.unstubAllGlobals();
  await clearDrafts();
});

describe("a job that a quota refuses", () => {
  it.each([
    ["Cut the pet out", "cutout", 429, JOBS],
    ["Remove it", "inpaint", 413, STORAGE],
    ["Try several", "search", 429, JUDGES],
  ])(
    "%s: says which quota, how much, and what to do; nothing is lost",
    async (name, kind, status, words) => {
      const asked = answering(({ method }) =>
        method === "POST" ? refusal(status, `PAWFECT_QUEUE_FULL: ${words}`) : refusal(404, "none"),
      );
      render(<StudioPage studio={studioWith()} onSignedOut={() => {}} />);
      const photo = new File(["x"], "dog.jpg", { type: "image/jpeg" });
      await userEvent.upload(await screen.findByLabelText("Choose a photo"), photo);
      const paint = within(await screen.findByRole("region", { name: "Paint" }));
      await userEvent.keyboard("n");
      await userEvent.click(await screen.findByRole("button", { name: "Mark it" }));
      const button = await paint.findByRole("button", { name });
      await waitFor(() => expect(button).toHaveProperty("disabled", false));
      await userEvent.click(button);
      expect((await paint.findByRole("alert")).textContent).toBe(words);
      const sent = asked.filter((one) => one.method === "POST").map((one) => one.path);
      expect(sent).toEqual([`/api/v1/runs?kind=${kind}`]);
      expect(window.location.pathname).toBe("/");
      // The photo and its mask are still there, and it can be sent again.
      expect(paint.getByText(/^To remove: /)).toBeTruthy();
      expect(button).toHaveProperty("disabled", false);
    },
  );

  const run: Run = {
    runId: "0a.ann",
    createdAt: 0,
    updatedAt: 0,
    processingStatus: "completed",
    versions: [version({})],
  };

  it("is said beside a refinement's own button too", async () => {
    answering(({ path }) => (path.endsWith("/refine") ? refusal(429, JOBS) : refusal(404, "none")));
    const nothing = { onOpen() {}, onClose() {}, onSent() {} };
    const { can } = studioWith();
    const studio = studioWith({ can: { ...can, general: { available: true, why: null } } });
    render(<RefineDrawer open first={null} run={run} studio={studio} {...nothing} />);
    await userEvent.click(screen.getByRole("tab", { name: "General" }));
    await userEvent.type(screen.getByLabelText("What to change"), "softer light");
    await userEvent.click(screen.getByRole("button", { name: "Change it" }));
    expect(await screen.findByText(JOBS)).toBeTruthy();
    expect(screen.getByLabelText("What to change")).toHaveProperty("value", "softer light");
  });

  it("is said where the same is tried again", async () => {
    answering(() => refusal(429, JOBS));
    const made = version({ kind: "refine", type: "general", payload: { prompt: "softer" } });
    const nothing = { onRun() {}, onLook() {}, onGoOn() {}, onRefine() {}, onCompare() {} };
    render(
      <NoticeProvider>
        <VersionCard run={{ ...run, versions: [made] }} version={made} {...nothing} />
      </NoticeProvider>,
    );
    await userEvent.click(screen.getByRole("button", { name: "Another seed" }));
    expect(await screen.findByText(JOBS)).toBeTruthy();
  });
});
