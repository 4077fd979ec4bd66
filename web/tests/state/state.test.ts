// @vitest-environment node
import { describe, expect, it } from "vitest";
import type { JobEvent } from "../../src/api/types";
import { Painting } from "../../src/mask/painting";
import { runIn } from "../../src/route";
import { choicesProblem, chosenParameters, NO_CHOICES } from "../../src/state/choices";
import { dropDraft, keepDraft, readDraft } from "../../src/state/drafts";
import { NOTHING, told } from "../../src/state/feeds";
import { sizeProblem } from "../../src/state/photo";
import { fileProblem, pictureOf } from "../../src/state/useFileEntry";
import { pannedBy, WHOLE, zoomedBy } from "../../src/state/useZoom";

describe("a draft", () => {
  it("is there after a reload, under its run", async () => {
    const painting = new Painting(30, 20);
    painting.rectangle({ x0: 3, y0: 3, x1: 9, y1: 9 }, 1);
    const draft = { width: 30, height: 20, kept: painting.kept(), base: 2, photo: null };
    expect(await keepDraft("run", draft)).toBe(true);
    const found = await readDraft("run");
    expect({ ...found, kept: [...(found?.kept ?? [])] }).toMatchObject({
      ...draft,
      kept: [...draft.kept],
    });
    expect(await readDraft("another")).toBeNull();
    await dropDraft("run");
    expect(await readDraft("run")).toBeNull();
  });
});

describe("choices", () => {
  it("that were not made are left to the server", () => {
    expect(chosenParameters(NO_CHOICES, false)).toEqual({});
  });

  it("give a server that fills on a CPU its time", () => {
    expect(chosenParameters(NO_CHOICES, true)).toEqual({ deadline_ms: 120_000 });
    expect(chosenParameters({ ...NO_CHOICES, deadlineS: "9" }, true)).toEqual({
      deadline_ms: 9_000,
    });
  });

  it("are sent as numbers, the deadline in ms", () => {
    const made = { seed: "7", engine: "lama", deadlineS: "12.5", sparePet: false } as const;
    const choices = { ...NO_CHOICES, ...made };
    expect(choicesProblem(choices)).toBeNull();
    expect(chosenParameters(choices, false)).toEqual({
      seed: 7,
      engine: "lama",
      deadline_ms: 12_500,
      protect: "none",
    });
  });

  it.each([
    [{ seed: "-1" }, "Seed"],
    [{ seed: "1.5" }, "Seed"],
    [{ seed: "9007199254740993" }, "Seed"],
    [{ deadlineS: "181" }, "Deadline"],
    [{ deadlineS: "soon" }, "Deadline"],
    [{ deadlineS: "0" }, "Deadline"],
  ])("out of bounds are named: %j", (some, name) => {
    expect(choicesProblem({ ...NO_CHOICES, ...some })).toContain(name);
  });
});

it("a feed holds what the newest events said, and the lines in order", () => {
  const progress = { stage: "patch_fill", share: 0.4 };
  const events: JobEvent[] = [
    { type: "state", seq: 1, status: "pending", progress: null, waitingBefore: 3, at: 1 },
    { type: "log", seq: 2, at: 2, line: "one" },
    { type: "state", seq: 3, status: "processing", progress, waitingBefore: null, at: 3 },
    { type: "preview", seq: 4, url: "/preview" },
    { type: "log", seq: 5, at: 5, line: "two" },
  ];
  const feed = events.reduce(told, NOTHING);
  expect(feed).toMatchObject({ status: "processing", progress, preview: "/preview" });
  expect(feed.lines.map((line) => line.line)).toEqual(["one", "two"]);
  const end = { type: "end", seq: 6, status: "failed", version: 1, report: null } as const;
  expect(told(feed, { ...end, error: null })).toMatchObject({ status: "failed", ended: true });
});

it("the run stands in the address, and nothing else is taken for one", () => {
  expect(runIn("/runs/8c0d.me")).toBe("8c0d.me");
  expect(runIn("/runs/8c0d.me/")).toBe("8c0d.me");
  expect(runIn("/")).toBeNull();
  expect(runIn("/runs/")).toBeNull();
  expect(runIn("/runs/a/b")).toBeNull();
  expect(runIn("/runs/%E0%A4%A")).toBeNull();
});

it("a picture is known by its kind or its name, and too large a one is refused", () => {
  const heic = new File(["x"], "IMG_1.HEIC");
  const text = new File(["x"], "notes.txt", { type: "text/plain" });
  expect(pictureOf([text, heic])).toBe(heic);
  expect(pictureOf([text])).toBeNull();
  expect(fileProblem(heic, 1)).toBeNull();
  expect(fileProblem(new File([], "empty.png"), 9)).toBe("empty.png is empty.");
  const large = { name: "dog.jpg", size: 150_000_000 } as File;
  expect(fileProblem(large, 134_217_728)).toBe("dog.jpg has 150 MB; at most 134 MB are taken.");
});

it.each([
  [400, 300, null],
  [64, 64, null],
  [400, 63, "dog.jpg has 400 × 63 px; each side needs at least 64 px."],
  [8_193, 400, "dog.jpg has 8193 × 400 px; at most 8192 px a side are taken."],
  [8_000, 7_000, "dog.jpg has 8000 × 7000 px, 56 megapixels; at most 50 are taken."],
])("a photo of %i by %i px is taken, or said to be out of the limits", (width, height, words) => {
  const limits = { maxBytes: 1, minSide: 64, maxSide: 8_192, maxPixels: 50_000_000 };
  expect(sizeProblem({ name: "dog.jpg", width, height }, limits)).toBe(words);
});

describe("a zoom in step", () => {
  it("keeps the point it is about, and the pictures in their frames", () => {
    const near = zoomedBy(WHOLE, 4, { x: 0.25, y: 0.5 });
    expect(near).toEqual({ scale: 4, x: -0.75, y: -1.5 });
    expect(zoomedBy(near, 0.01)).toEqual(WHOLE);
    expect(pannedBy(near, 9, -9)).toEqual({ scale: 4, x: 0, y: -3 });
  });
});
