// @vitest-environment node
import { describe, expect, it } from "vitest";
import type { Report, Version } from "../../src/api/types";
import { percent, reportWords } from "../../src/words/report";
import { stageName } from "../../src/words/stages";
import { waitingWords } from "../../src/words/versions";
import { version } from "../version";

const words = (report: Report, some: Partial<Version> = {}) =>
  reportWords(version({ ...some, report }));

describe("a report in words", () => {
  it("says what filled, how much, what was spared, what was missing and how long it took", () => {
    const report = {
      engine: "patch",
      engine_reason: "this profile has no network",
      width: 1000,
      height: 1000,
      hole_px: 25_000,
      protect_source: "u2netp",
      protected_share: 0.231,
      check: "kept",
      fallbacks: [{ stage: "labels", reason: "not found", instead: "filled without them" }],
      total_ms: 3_210,
      seed: 7,
    };
    expect(words(report)).toEqual([
      "Filled with pieces of the photo itself — 2.5 % of the photo (this profile has no network).",
      "The subject was kept as it is: 23 % of the photo (found by u2netp).",
      "The check said: kept.",
      "Naming the surroundings (not found): filled without them instead.",
      "Took 3.2 s, with seed 7.",
    ]);
  });

  it("says of a cut-out who found the subject, or that there is none", () => {
    const cutout = { kind: "cutout" };
    expect(words({ network: "u2netp", confidence: 0.934, subject_found: true }, cutout)).toEqual([
      "Cut out by u2netp, 93 % sure.",
    ]);
    expect(words({ subject_found: false, network: "u2netp" }, cutout)).toEqual([
      "Nothing in the photo was taken for a subject.",
    ]);
  });

  it("says of each text whether it reads back", () => {
    const corrections = [
      { text: "REX", old_text: "RXE", read: "REX", exact: true, note: null },
      { text: "Bello", old_text: null, read: "Bolle", exact: false, note: "set smaller" },
      { text: "Luna", old_text: "Lnua", read: null, exact: false, tries: 0, note: "not begun" },
    ];
    expect(words({ type: "text", engine: "lettering", corrections })).toEqual([
      "“RXE” now says “REX”; it reads back the same.",
      "Set “Bello”, but it reads back as “Bolle”.",
      "set smaller.",
      "“Luna” was not set.",
      "not begun.",
    ]);
  });

  it("says of regions whether their prompts were heard", () => {
    const heard = { prompt: "grass", prompt_used: true };
    const unheard = { prompt: "grass", prompt_used: false };
    const bare = { prompt: null, prompt_used: false };
    expect(words({ type: "region", regions: [heard] })).toEqual(["One region was filled."]);
    expect(words({ type: "region", regions: [bare] })).toEqual(["One region was filled."]);
    expect(words({ type: "region", regions: [heard, unheard] })).toEqual([
      "2 regions were filled; this server's engine does not use prompts.",
    ]);
  });

  it("says what changed a picture by words, and how", () => {
    const edit = { working_px: [208, 160], steps: 4, steps_taken: 3 };
    expect(words({ type: "general", engine: "klein", edit, remote: null })).toEqual([
      "Changed by FLUX.2 [klein] on this server at 208 × 160 px in 3 steps.",
    ]);
  });

  it("leaves out what a report of another server has in another form", () => {
    expect(words({ engine: 3, fallbacks: "none", total_ms: "soon" })).toEqual([]);
  });
});

it("shares are shown as precisely as they can be told apart", () => {
  expect([0, 0.0004, 0.012, 0.4567].map(percent)).toEqual([
    "0.0 %",
    "under 0.1 %",
    "1.2 %",
    "46 %",
  ]);
});

it("the queue is told in words", () => {
  expect([null, 0, 1, 4].map(waitingWords)).toEqual([
    "Waiting for its turn",
    "Next in line",
    "One picture before yours",
    "4 pictures before yours",
  ]);
});

it("stages are told in words, those within others too, unknown ones as they are called", () => {
  expect(["patch_fill", "region 1 of 2: patch_fill", "new_stage", ""].map(stageName)).toEqual([
    "Filling",
    "Region 1 of 2: Filling",
    "New stage",
    "Working",
  ]);
});
