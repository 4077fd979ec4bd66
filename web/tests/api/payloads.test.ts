// @vitest-environment node
import { describe, expect, it } from "vitest";
import {
  type Bbox,
  boxesProblem,
  generalOrder,
  letteringProblem,
  regionOrder,
  subjectOrder,
  textOrder,
} from "../../src/api/payloads";

const given = { base: 2, creativity: 3, parameters: { seed: 7 } };
const photo = { width: 400, height: 300 };

describe("text", () => {
  it("sends corrections, without blanks round them, and notes where there are any", () => {
    const one = { bbox: [10, 20, 30, 40] as Bbox, text: "  Rex \u0065\u0301 " };
    expect(textOrder(given, [one], "", photo).request).toEqual({
      type: "text",
      payload: { corrections: [{ bbox: [10, 20, 30, 40], text: "Rex é" }] },
      ...given,
    });
    expect(textOrder(given, [one], " bold ", photo).request?.payload).toMatchObject({
      instructions: "bold",
    });
  });

  it.each([
    ["שלום", "right to left"],
    ["مرحبا", "right to left"],
    ["Rex 🐕", "Only Latin"],
    ["犬", "Only Latin"],
    [" ", "Type the text"],
    ["x".repeat(201), "At most 200"],
  ])("refuses %s and says why", (text, why) => {
    expect(letteringProblem(text)).toContain(why);
  });

  it("takes what the fonts can write: accents, quotes, signs", () => {
    for (const text of ["Bürgermeisterstraße 7", "Łódź – “Œuf” €5", "<b>Rex & Co</b>"]) {
      expect(letteringProblem(text)).toBeNull();
    }
  });
});

describe("boxes", () => {
  it.each<[string, Bbox[], string | null]>([
    ["one within the photo", [[0, 0, 400, 300]], null],
    ["one that leaves it", [[390, 0, 20, 10]], "Box 1 leaves the photo, which is 400 × 300 px."],
    ["one that begins before it", [[-1, 0, 20, 10]], "Box 1 leaves the photo"],
    ["an empty one", [[5, 5, 0, 10]], "Box 1 is empty."],
    ["part of a pixel", [[0.5, 5, 9, 10]], "whole numbers"],
    ["a field that is being typed", [[Number.NaN, 5, 9, 10]], "whole numbers"],
    [
      "two that share a pixel",
      [
        [0, 0, 10, 10],
        [9, 9, 10, 10],
      ],
      "Boxes 1 and 2 overlap.",
    ],
    [
      "two that touch",
      [
        [0, 0, 10, 10],
        [10, 0, 10, 10],
      ],
      null,
    ],
  ])("%s", (_, boxes, problem) => {
    const said = boxesProblem(boxes, 400, 300);
    if (problem === null) expect(said).toBeNull();
    else expect(said).toContain(problem);
  });
});

describe("regions", () => {
  it("number the drawn ones among themselves, in their order", () => {
    const regions = [
      { bbox: null, prompt: "grass" },
      { bbox: [1, 2, 3, 4] as Bbox, prompt: "" },
      { bbox: null, prompt: " " },
    ];
    expect(regionOrder(given, regions, photo).request).toEqual({
      type: "region",
      payload: { masks: [{ mask: 0, prompt: "grass" }, { bbox: [1, 2, 3, 4] }, { mask: 1 }] },
      ...given,
    });
  });

  it("that are painted over a box are named before anything is sent", () => {
    const regions = [
      { bbox: [1, 2, 3, 4] as Bbox, prompt: "" },
      { bbox: null, prompt: "" },
    ];
    const order = regionOrder(given, regions, photo, ([x]) => (x === 1 ? 1 : -1));
    expect(order.problem).toBe(
      "Region 2 is painted into the box of region 1: erase it there, or move the box.",
    );
  });

  it("need one at least", () => {
    expect(regionOrder(given, [], photo).problem).toContain("Add a region");
  });
});

describe("subject and general", () => {
  it("send what was said, and the reference where there is one", () => {
    expect(subjectOrder(given, " longer ears ", "f1").request?.payload).toEqual({
      referenceFileId: "f1",
      instructions: "longer ears",
    });
    expect(subjectOrder(given, "longer ears", null).request?.payload).toEqual({
      instructions: "longer ears",
    });
    expect(generalOrder(given, "<script>").request).toEqual({
      type: "general",
      payload: { prompt: "<script>" },
      ...given,
    });
  });

  it("lack words, or have too many, counted in bytes", () => {
    expect(generalOrder(given, "  ").problem).toContain("say in words");
    expect(generalOrder(given, "ä".repeat(1024)).request).toBeDefined();
    expect(generalOrder(given, "ä".repeat(1025)).problem).toContain("this has 2050");
  });
});
