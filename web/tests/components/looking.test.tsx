import { fireEvent, render, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Run } from "../../src/api/types";
import { JobProgress } from "../../src/components/look/JobProgress";
import { VersionCard } from "../../src/components/look/VersionCard";
import { ZoomPane } from "../../src/components/look/ZoomPane";
import { useZoom } from "../../src/state/useZoom";
import { answering } from "../answers";
import { socketServer } from "../socketServer";
import { version } from "../version";

let close: (() => Promise<void>) | null = null;
afterEach(async () => {
  await close?.();
  close = null;
  vi.unstubAllGlobals();
});

const nothing = { onRun() {}, onLook() {}, onGoOn() {}, onRefine() {}, onCompare() {} };

function run(...versions: Run["versions"]): Run {
  return { runId: "0a.me", createdAt: 0, updatedAt: 0, processingStatus: "completed", versions };
}

it("a preview that is gone gives way to the picture that is worked on", async () => {
  close = await socketServer(({ socket }) => {
    socket.send(JSON.stringify({ type: "preview", seq: 1, url: "/gone.jpg" }));
  });
  const making = version({ jobId: "preview-job", processingStatus: "processing" });
  render(<JobProgress runId="0a.me" version={making} before="/before.jpg" onLook={() => {}} />);
  const preview = await screen.findByAltText("How it looks so far");
  expect(preview.getAttribute("src")).toBe("/gone.jpg");
  fireEvent.error(preview);
  expect(screen.getByAltText("What it is made from").getAttribute("src")).toBe("/before.jpg");
});

it("a cancelled version is not laid at the user's door", () => {
  const cancelled = version({ processingStatus: "cancelled" });
  render(<VersionCard run={run(cancelled)} version={cancelled} {...nothing} />);
  expect(screen.getByRole("alert").textContent).toContain("This one was cancelled.");
});

describe("another seed of what another company's engine made", () => {
  const made = version({
    kind: "refine",
    type: "general",
    payload: { prompt: "softer" },
    parameters: { creativity: 3, remote: true, seed: 1 },
  });
  const press = async () => {
    const asked = answering(() => Response.json({ jobId: "j", runId: "0a.me", version: 2 }));
    render(<VersionCard run={run(made)} version={made} {...nothing} />);
    await userEvent.click(screen.getByRole("button", { name: "Another seed" }));
    return { asked, dialog: within(await screen.findByRole("dialog", { name: "Send it again?" })) };
  };

  it("sends nothing before somebody agrees once more", async () => {
    const { asked, dialog } = await press();
    await userEvent.click(dialog.getByRole("button", { name: "Leave it" }));
    expect(asked).toEqual([]);
  });

  it("is sent there once they do", async () => {
    const { asked, dialog } = await press();
    await userEvent.click(dialog.getByRole("button", { name: "Send my picture" }));
    expect(asked.map((one) => one.body)).toMatchObject([
      { type: "general", creativity: 3, parameters: { remote: true } },
    ]);
  });
});

function Pane() {
  const hand = useZoom();
  return (
    <>
      <button type="button" onClick={hand.nearer}>
        Nearer
      </button>
      <ZoomPane src="/a.png" name="v1" transparent={false} hand={hand} />
    </>
  );
}

it("arrow keys move an enlarged picture", async () => {
  render(<Pane />);
  expect(screen.queryByRole("group", { name: /arrow keys/ })).toBeNull();
  await userEvent.click(screen.getByRole("button", { name: "Nearer" }));
  const place = () => screen.getByRole("img", { name: "v1" }).style.transform;
  const before = place();
  screen.getByRole("group", { name: /^v1, enlarged: arrow keys/ }).focus();
  await userEvent.keyboard("{ArrowRight}{ArrowDown}");
  expect(before).toMatch(/^translate\(-30\.?\d*%, -30/);
  expect(place()).toMatch(/^translate\(-40\.?\d*%, -40/);
});

it("a picture that was drawn anew has a map of what changed, and no other has", () => {
  const changes = {
    share: 0.25,
    cells: [
      [0, 30],
      [0, 4],
    ],
  };
  const made = version({ kind: "refine", type: "general", report: { changes } });
  const { rerender } = render(<VersionCard run={run(made)} version={made} {...nothing} />);
  const map = screen.getByRole("img", { name: "Map of what changed: 25 % of the picture" });
  const cells = [...map.querySelectorAll("rect")];
  expect(cells.map((one) => [one.getAttribute("x"), one.getAttribute("y")])).toEqual([
    ["1", "0"],
    ["1", "1"],
  ]);
  const [strong, weak] = cells.map((one) => Number(one.getAttribute("fill-opacity")));
  expect(strong).toBeGreaterThan(weak!);
  for (const other of [null, { share: 0.2, cells: [] }, { share: 1, cells: [[1], [1, 2]] }]) {
    const bare = version({ kind: "refine", type: "general", report: { changes: other } });
    rerender(<VersionCard run={run(bare)} version={bare} {...nothing} />);
    expect(screen.queryByRole("img", { name: /^Map of what changed/ })).toBeNull();
  }
});
