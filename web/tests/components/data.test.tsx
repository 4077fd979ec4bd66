import { act, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { App } from "../../src/App";
import type { Usage } from "../../src/api/types";
import { YourDataDialog } from "../../src/components/data/YourDataDialog";
import { clearDrafts, draftKey, keepDraft, NEW, readDraft } from "../../src/state/drafts";
import { tellAllGone } from "../../src/state/useRun";
import { metersOf } from "../../src/words/data";
import { type Asked, answering, refusal } from "../answers";
import { studioWith } from "../studio";

const FREE: Usage = {
  jobs: { used: null, limit: null },
  keptBytes: { used: 5, limit: null },
  judgeUsd: { used: 0, held: 0, limit: null },
};
const COUNTS = { jobs: 1, messages: 0, documents: 12, files: 61, records: 2 };
const gone = (deleted: Record<string, number> = COUNTS) =>
  Response.json({ uid: "ann", deleted, lateUntil: 0 });

afterEach(async () => {
  vi.unstubAllGlobals();
  window.history.replaceState(null, "", "/");
  await clearDrafts();
});

/** Open the dialog; usage is answered as given, the deletion by `deletion`. */
function shown(deletion: () => Response | Promise<Response> = gone, usage: Usage = FREE) {
  const asked = answering(({ method }) =>
    method === "DELETE" ? (deletion() as Response) : Response.json(usage),
  );
  const told = { onClose: vi.fn(), onSignedOut: vi.fn(), onDeleted: vi.fn() };
  render(<YourDataDialog open user="ann" {...told} />);
  return { ...told, deletions: () => asked.filter((one) => one.method === "DELETE") };
}

const button = (name: string) => screen.getByRole("button", { name });
const ask = () => userEvent.click(button("Delete everything"));

it("a copy is a plain link, which the browser saves", () => {
  shown();
  const link = screen.getByRole("link", { name: "Download my data" });
  expect(link.getAttribute("href")).toBe("/api/v1/users/ann/export");
  expect(link.hasAttribute("download")).toBe(true);
});

describe("what is used", () => {
  const some = (usage: Partial<Usage>) => shown(gone, { ...FREE, ...usage });

  it("is shown for the quotas that are on, in words and as a share", async () => {
    some({
      jobs: { used: 3, limit: 20 },
      keptBytes: { used: 1.5 * 2 ** 30, limit: 50 * 2 ** 30 },
      judgeUsd: { used: 0.4, held: 0.1, limit: 2 },
    });
    const jobs = await screen.findByRole("progressbar", { name: "Jobs that wait or run" });
    const meters = screen.getAllByRole("progressbar");
    expect(jobs).toBe(meters[0]);
    expect(meters.map((one) => one.getAttribute("aria-valuetext"))).toEqual([
      "3 of 20",
      "1.5 GiB of 50 GiB",
      "$0.40 of $2.00, $0.10 held for jobs under way",
    ]);
    expect(meters.map((one) => one.getAttribute("aria-valuenow"))).toEqual(["15", "3", "25"]);
  });

  it("is left out for a quota that is off, and full where more is used than that", async () => {
    some({ jobs: { used: 5, limit: 4 } });
    const meter = await screen.findByRole("progressbar");
    expect(meter.getAttribute("aria-valuetext")).toBe("5 of 4");
    expect(meter.getAttribute("aria-valuenow")).toBe("100");
  });

  it("is hidden where no quota is on", async () => {
    const answer = Response.json(FREE);
    const read = vi.spyOn(answer, "json");
    const asked = answering(() => answer);
    const nothing = { onClose() {}, onSignedOut() {}, onDeleted() {} };
    render(<YourDataDialog open user="ann" {...nothing} />);
    await waitFor(() => expect(read).toHaveBeenCalledOnce());
    await act(async () => void (await read.mock.results[0]!.value));
    expect(asked[0]!.path).toBe("/api/v1/users/ann/usage");
    expect(screen.queryByText("What you use")).toBeNull();
    expect(metersOf(FREE)).toEqual([]);
  });

  it("that cannot be read is said, and the rest works", async () => {
    answering(() => refusal(503, "store: expected it to answer"));
    render(
      <YourDataDialog
        open
        user="ann"
        onClose={() => {}}
        {...{ onSignedOut() {}, onDeleted() {} }}
      />,
    );
    expect((await screen.findByRole("alert")).textContent).toContain("store: expected it");
    expect(button("Delete everything")).toHaveProperty("disabled", false);
  });
});

describe("deleting everything", () => {
  it("says what goes and that nothing brings it back, and asks nobody before a word is typed", async () => {
    const { deletions } = shown();
    await ask();
    const field = screen.getByRole("textbox", { name: "Type delete to go on" });
    expect(document.activeElement).toBe(field);
    expect(screen.getByRole("alert").textContent).toContain("cannot be undone");
    const goes = within(screen.getByRole("list")).getAllByRole("listitem");
    const words = goes.map((one) => one.textContent).join("; ");
    for (const one of ["photos", "prompts", "ratings", "consent", "this browser"]) {
      expect(words).toContain(one);
    }
    await userEvent.type(field, "delet{Enter}");
    expect(button("Delete for good")).toHaveProperty("disabled", true);
    expect(deletions()).toEqual([]);
  });

  it("can be left, and nothing is asked", async () => {
    const { deletions } = shown();
    await ask();
    await userEvent.click(button("Keep everything"));
    expect(document.activeElement).toBe(button("Delete everything"));
    expect(deletions()).toEqual([]);
  });

  it("works with keys alone, and says how much went", async () => {
    const { deletions, onDeleted, onClose } = shown();
    const reach = async (element: HTMLElement) => {
      for (let n = 0; n < 8 && document.activeElement !== element; n++) await userEvent.tab();
      expect(document.activeElement).toBe(element);
    };
    await reach(button("Delete everything"));
    await userEvent.keyboard("{Enter}");
    await userEvent.keyboard("Delete{Enter}");
    const status = await screen.findByRole("status");
    expect(
      within(status)
        .getAllByRole("listitem")
        .map((one) => one.textContent),
    ).toEqual([
      "1 job under way, cancelled",
      "12 versions and results, with their reports",
      "61 files",
      "2 records of consents and quotas",
    ]);
    expect(deletions()).toEqual([{ method: "DELETE", path: "/api/v1/users/ann", body: null }]);
    expect(onDeleted).toHaveBeenCalledOnce();
    expect(document.activeElement).toBe(button("Close"));
    await userEvent.keyboard("{Enter}");
    expect(onClose).toHaveBeenCalledExactlyOnceWith(true);
  });

  it("that finds nothing says so", async () => {
    shown(() => gone({ documents: 0, files: 0 }));
    await ask();
    await userEvent.keyboard("delete{Enter}");
    expect((await screen.findByRole("status")).textContent).toContain("nothing to delete");
  });

  it("is sent once, and cannot be left while it is under way", async () => {
    let answer = (_: Response) => {};
    const { deletions, onClose } = shown(() => new Promise<Response>((done) => (answer = done)));
    await ask();
    await userEvent.keyboard("delete{Enter}");
    expect(button("Deleting…")).toHaveProperty("disabled", true);
    await userEvent.keyboard("{Enter}{Escape}");
    expect(deletions()).toHaveLength(1);
    expect(onClose).not.toHaveBeenCalled();
    answer(gone());
    expect(await screen.findByText("61 files")).toBeTruthy();
  });

  const network = () => {
    throw new TypeError("network");
  };
  it.each<[string, () => Response, string]>([
    ["409", () => refusal(409, "they are being deleted"), "already under way. Try again"],
    ["403", () => refusal(403, "expected an admin's key"), "Only your own key, or an admin's"],
    ["429", () => refusal(429, "requests: expected at most 9"), "requests: expected at most 9"],
    ["503", () => refusal(503, "store: expected it to answer"), "the same again does no harm"],
    ["no answer", network, "does not answer. Is it running? Some of it may be deleted already"],
  ])("that is refused says why, and can be tried again: %s", async (_, refused, words) => {
    let answer = refused;
    const { onDeleted, onSignedOut } = shown(() => answer());
    const draft = { width: 2, height: 2, kept: Uint8Array.of(1, 4, 0), base: 0, photo: null };
    await keepDraft(draftKey("ann", NEW), draft);
    await ask();
    await userEvent.keyboard("delete{Enter}");
    expect(await screen.findByText((text) => text.includes(words))).toBeTruthy();
    expect(onDeleted).not.toHaveBeenCalled();
    expect(onSignedOut).not.toHaveBeenCalled();
    expect(await readDraft(draftKey("ann", NEW))).not.toBeNull();
    answer = gone;
    await userEvent.click(button("Delete for good"));
    expect(await screen.findByText("61 files")).toBeTruthy();
    expect(onDeleted).toHaveBeenCalledOnce();
    expect(await readDraft(draftKey("ann", NEW))).toBeNull();
  });

  it("of who is no longer signed in leads to the sign-in", async () => {
    const { onSignedOut } = shown(() => refusal(401, "credentials: expected valid ones"));
    await ask();
    await userEvent.keyboard("delete{Enter}");
    await waitFor(() => expect(onSignedOut).toHaveBeenCalledOnce());
  });
});

describe("the page after a deletion", () => {
  let there = true;
  beforeEach(() => {
    there = true;
  });
  const summary = {
    runId: "0a.ann",
    createdAt: 0,
    updatedAt: 0,
    processingStatus: "completed",
    versions: 1,
    kind: "inpaint",
    previewUrl: null,
  };
  const answer = ({ method, path }: Asked): Response => {
    if (method === "DELETE") {
      there = false;
      return gone();
    }
    if (path === "/api/v1/studio") return Response.json(studioWith());
    if (path.startsWith("/api/v1/runs?")) {
      return Response.json({ runs: there ? [summary] : [], next: there ? "more" : null });
    }
    if (path.endsWith("/usage")) return Response.json(FREE);
    return refusal(404, "run: expected one that is there");
  };

  it("is as new: no run is in hand or listed, and nothing is left in the browser", async () => {
    window.history.replaceState(null, "", "/runs/0a.ann");
    answering(answer);
    const others = new BroadcastChannel("pawfect-runs");
    const heard = new Promise((done) => (others.onmessage = ({ data }) => done(data)));
    render(<App />);
    expect(await screen.findByText("run: expected one that is there")).toBeTruthy();
    await userEvent.click(button("Your pictures"));
    expect(await screen.findByText("1 version, done")).toBeTruthy();
    await userEvent.click(button("Your data"));
    await ask();
    await userEvent.keyboard("delete{Enter}");
    await screen.findByText("61 files");
    expect(window.location.pathname).toBe("/");
    expect(screen.queryByText("1 version, done")).toBeNull();
    expect(screen.queryByText("Show older ones")).toBeNull();
    await userEvent.click(button("Close"));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(await screen.findByRole("button", { name: "Choose a photo" })).toBeTruthy();
    expect(screen.queryByText("run: expected one that is there")).toBeNull();
    // Other tabs are told to look again, whatever they show.
    expect(await heard).toBe("*");
    others.close();
  });

  it("is looked at anew where another tab has deleted everything", async () => {
    window.history.replaceState(null, "", "/runs/0a.ann");
    const asked = answering(answer);
    const looks = () => asked.filter((one) => one.path === "/api/v1/runs/0a.ann").length;
    render(<App />);
    await screen.findByText("run: expected one that is there");
    const had = looks();
    tellAllGone();
    await waitFor(() => expect(looks()).toBe(had + 1));
  });
});
