import { render, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Candidate, Run, Sheet } from "../../src/api/types";
import { JobProgress } from "../../src/components/look/JobProgress";
import { VersionCard } from "../../src/components/look/VersionCard";
import { MoreOptions } from "../../src/components/paint/MoreOptions";
import { NO_CHOICES } from "../../src/state/choices";
import { answering, refusal } from "../answers";
import { socketServer } from "../socketServer";
import { version } from "../version";

let close: (() => Promise<void>) | null = null;
afterEach(async () => {
  await close?.();
  close = null;
  vi.unstubAllGlobals();
});

const SHEET: Sheet = { planned: 5, columns: 3, rows: 2, ratio: 1.5 };
const nothing = { onRun() {}, onLook() {}, onGoOn() {}, onRefine() {}, onCompare() {} };

function candidate(number: number, some: Partial<Candidate> = {}): Candidate {
  return {
    number,
    phase: "global",
    parent: null,
    seed: number,
    variation: number ? "seed" : "undiffused",
    scores: { consistency: 5 + number, realism: 8 },
    potential: 5 + number,
    aboveFloor: true,
    error: null,
    ...some,
  };
}

const CANDIDATES = [
  candidate(0),
  candidate(1, { error: "<b>no memory</b>", potential: null, scores: {} }),
  candidate(2),
  candidate(3, { phase: "local", parent: 2, variation: "worst_part" }),
];

function searched(some: Parameters<typeof version>[0] = {}) {
  const candidates = CANDIDATES.map(({ aboveFloor, ...one }) => ({
    ...one,
    above_floor: aboveFloor,
  }));
  return version({
    kind: "search",
    links: { candidates: "/candidates.jpg" },
    report: { engine: "patch", best: 3, best_potential: 8, candidates, sheet: SHEET },
    ...some,
  });
}

function run(...versions: Run["versions"]): Run {
  return { runId: "0a.me", createdAt: 0, updatedAt: 0, processingStatus: "completed", versions };
}

it("candidates of a search come as cards, those of an earlier start give way", async () => {
  const event = (seq: number, start: number, one: Candidate) =>
    JSON.stringify({ type: "candidate", seq, start, sheet: SHEET, candidate: one });
  close = await socketServer(({ socket }) => {
    socket.send(event(1, 1, candidate(0)));
    socket.send(event(2, 1, candidate(4)));
    socket.send(event(3, 2, candidate(0)));
    socket.send(event(4, 2, CANDIDATES[1]!));
    socket.send(event(5, 2, candidate(2)));
    socket.send(JSON.stringify({ type: "preview", seq: 6, url: "/sheet.jpg" }));
    socket.send(event(7, 2, candidate(3, { parent: 2 })));
  });
  const making = version({ kind: "search", jobId: "search-job", processingStatus: "processing" });
  render(<JobProgress runId="0a.me" version={making} before="/before.jpg" onLook={() => {}} />);
  const shown = await screen.findByRole("img", { name: "Number 2, 7.0 of 10" });
  expect(await screen.findByText("4 of 5 tried")).toBeTruthy();
  // It comes with the next preview.
  expect(screen.getByText("Coming")).toBeTruthy();
  expect(screen.queryByText("Number 4")).toBeNull();
  expect(shown.style.backgroundImage).toBe('url("/sheet.jpg")');
  expect([shown.style.backgroundSize, shown.style.backgroundPosition]).toEqual([
    "300% 200%",
    "100% 0%",
  ]);
  expect(screen.getByText("Did not work")).toBeTruthy();
  // The sheet is no picture of how the photo looks so far.
  expect(screen.getByAltText("What it is made from").getAttribute("src")).toBe("/before.jpg");
});

it("a finished search shows all of them, children beside their parent, the winner by name", () => {
  render(<VersionCard run={run(searched())} version={searched()} {...nothing} />);
  const family = within(
    screen.getByRole("list", { name: "Number 2 and what started from it" }),
  ).getAllByRole("listitem");
  expect(family.map((one) => within(one).getByText(/^Number/).textContent)).toEqual([
    "Number 2",
    "Number 3",
  ]);
  expect(within(family[1]!).getByText("Best")).toBeTruthy();
  expect(within(family[1]!).getByText("From number 2: its worst part anew")).toBeTruthy();
  expect(within(family[1]!).getByText("Fits in").nextSibling?.textContent).toBe("8.0");
  expect(screen.getAllByText("Best")).toHaveLength(1);
  expect(screen.getByText("<b>no memory</b>")).toBeTruthy();
  expect(screen.getByText(/^Of 3 tries number 3 won with 8\.0 of 10/)).toBeTruthy();
});

describe("two candidates compared blind", () => {
  const state = { compared: 1, decided: 1, agreed: 1, share: 1, low: 0.2065, high: 1 };
  const open = async (answer: Parameters<typeof answering>[0], some = {}) => {
    const asked = answering(answer);
    render(<VersionCard run={run(searched(some))} version={searched(some)} {...nothing} />);
    await userEvent.click(screen.getByRole("button", { name: "Compare two, blind" }));
    return { asked, dialog: within(await screen.findByRole("dialog")) };
  };
  const told: Parameters<typeof answering>[0] = ({ body }) => {
    const pair = body as { left: number; right: number; choice: string };
    const preferred = pair.left > pair.right ? "left" : "right";
    return Response.json({ comparison: { ...pair, preferred }, version: state, run: state });
  };

  it("are chosen by a key, and only then have numbers", async () => {
    const { asked, dialog } = await open(told);
    expect(dialog.getByRole("img", { name: "The left one" })).toBeTruthy();
    expect(screen.getByRole("dialog").textContent).not.toMatch(/\d/);
    await userEvent.keyboard("{ArrowRight}");
    expect(await dialog.findByText(/^You chose the right one\. The search prefers/)).toBeTruthy();
    expect(dialog.getByText(/^1 of 1 choice agreed with the search so far: 100 %/)).toBeTruthy();
    expect(dialog.getByRole("img", { name: /^The left one: number \d$/ })).toBeTruthy();
    expect(asked.map((one) => [one.method, one.path])).toEqual([
      ["POST", "/api/v1/runs/0a.me/comparisons"],
    ]);
    expect(asked[0]!.body).toMatchObject({ version: 1, choice: "right" });
    // A second key changes nothing: it would no longer be blind.
    await userEvent.keyboard("{ArrowLeft}");
    expect(asked).toHaveLength(1);
  });

  it("are each pair once, until there is none", async () => {
    const { asked, dialog } = await open(told);
    for (const last of [false, false, true]) {
      await userEvent.click(await dialog.findByRole("button", { name: "Neither" }));
      if (!last) await userEvent.click(await dialog.findByRole("button", { name: "Another two" }));
    }
    expect(await dialog.findByText("All pairs are compared.")).toBeTruthy();
    const pairs = asked.map((one) => {
      const { left, right } = one.body as { left: number; right: number };
      return [left, right].sort().join(" ");
    });
    expect(pairs.sort()).toEqual(["0 2", "0 3", "2 3"]);
  });

  it("can be chosen again where the API did not take it", async () => {
    const { dialog } = await open(() => refusal(503, "store: expected it to take the job"));
    await userEvent.click(dialog.getByRole("button", { name: "The left one" }));
    expect(await dialog.findByText("store: expected it to take the job")).toBeTruthy();
    expect(dialog.getByRole("button", { name: "The left one" }).hasAttribute("disabled")).toBe(
      false,
    );
  });
});

const PATCHES = { available: true, why: null, ignoresPrompt: true, engines: ["lama", "patch"] };

describe("what fills", () => {
  it("is chosen among what the server has, the other networks are named", async () => {
    const region = { available: true, why: null, engines: ["klein", "patch"] };
    const search = { available: true, why: null };
    const onChoices = vi.fn();
    render(
      <MoreOptions choices={NO_CHOICES} onChoices={onChoices} region={region} search={search} />,
    );
    await userEvent.click(screen.getByRole("button", { name: "More" }));
    await userEvent.click(screen.getByRole("combobox", { name: "Filled with" }));
    const flux = screen.getByRole("option", { name: "FLUX.1-Fill, not on this server" });
    expect(flux.getAttribute("aria-disabled")).toBe("true");
    await userEvent.click(screen.getByRole("option", { name: "FLUX.2 [klein]" }));
    expect(onChoices).toHaveBeenCalledWith({ ...NO_CHOICES, engine: "klein" });
  });
});

describe("judges elsewhere", () => {
  const more = async (remoteJudges: boolean) => {
    const search = { available: true, why: null, remoteJudges };
    const onChoices = vi.fn();
    render(
      <MoreOptions choices={NO_CHOICES} onChoices={onChoices} region={PATCHES} search={search} />,
    );
    await userEvent.click(screen.getByRole("button", { name: "More" }));
    return onChoices;
  };

  it("are offered where the server has some, and asked where somebody agrees", async () => {
    const onChoices = await more(true);
    await userEvent.click(screen.getByRole("switch", { name: /judges may see my picture/ }));
    expect(onChoices).toHaveBeenCalledWith({ ...NO_CHOICES, remoteJudges: true });
  });

  it("are not offered where it has none", async () => {
    await more(false);
    expect(screen.queryByRole("switch", { name: /judges/ })).toBeNull();
    expect(screen.getByRole("combobox", { name: "Try several" })).toBeTruthy();
  });
});
