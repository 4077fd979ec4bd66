// @vitest-environment node
import { encode } from "fast-png";
import { afterEach, expect, it, vi } from "vitest";
import type { Run } from "../../src/api/types";
import { readMask } from "../../src/mask/png";
import { retry } from "../../src/state/retry";
import { answering } from "../answers";
import { version } from "../version";

afterEach(() => void vi.unstubAllGlobals());

const sent = { jobId: "0a-0002.me", runId: "0a.me", version: 2 };

function run(...versions: Run["versions"]): Run {
  return { runId: "0a.me", createdAt: 0, updatedAt: 0, processingStatus: "completed", versions };
}

it("consent is not carried along to another try", async () => {
  const asked = answering(() => Response.json(sent));
  const made = version({
    type: "subject",
    payload: { instructions: "ear" },
    parameters: { remote: true, seed: 1, creativity: 1 },
  });
  await retry(run(made), made);
  await retry(run(made), made, true);
  const parameters = asked.map((one) => (one.body as { parameters: object }).parameters);
  expect(parameters[0]).not.toHaveProperty("remote");
  expect(parameters[1]).toMatchObject({ remote: true });
  for (const one of parameters) expect(one).not.toHaveProperty("seed", 1);
});

it("drawn regions are sent again in their order, pixel for pixel", async () => {
  const labels = Uint8Array.of(0, 1, 2, 2, 1, 0);
  const file = encode({ width: 3, height: 2, data: labels, channels: 1, depth: 8 });
  const asked = answering(({ path }) =>
    path === "/masks.png" ? new Response(file as BodyInit) : Response.json(sent),
  );
  const made = version({
    type: "region",
    payload: { masks: [{ mask: 0 }, { mask: 1 }] },
    links: { masks: "/masks.png" },
  });
  await retry(run(made), made);
  const form = asked.at(-1)?.body as FormData;
  const masks = form.getAll("masks") as Blob[];
  const back = await Promise.all(masks.map((one) => readMask(one, 3, 2)));
  expect(back.map((one) => [...one])).toEqual([
    [0, 255, 0, 0, 255, 0],
    [0, 0, 255, 255, 0, 0],
  ]);
});

it("another search takes mask, reference and preset along, and judges elsewhere by consent alone", async () => {
  const asked = answering(({ path }) =>
    path.startsWith("/files/") ? new Response(path) : Response.json(sent),
  );
  const made = version({
    kind: "search",
    parent: 2,
    prompt: "grass",
    parameters: { preset: "photoreal", remote: true, seed: 1 },
    links: { mask: "/files/mask.png", protect: null, reference: "/files/reference.jpg" },
  });
  await retry(run(made), made);
  await retry(run(made), made, true);
  const posts = asked.filter((one) => one.method === "POST");
  expect(posts.map((one) => one.path)).toEqual(Array(2).fill("/api/v1/runs/0a.me/search"));
  for (const [index, { body }] of posts.entries()) {
    const form = body as FormData;
    const parameters = JSON.parse(String(form.get("parameters")));
    expect(parameters).toMatchObject({ preset: "photoreal", ...(index ? { remote: true } : {}) });
    expect("remote" in parameters).toBe(index === 1);
    expect(parameters.seed).not.toBe(1);
    expect([form.get("base"), form.get("prompt"), form.has("protect")]).toEqual([
      "2",
      "grass",
      false,
    ]);
    expect(await (form.get("mask") as Blob).text()).toBe("/files/mask.png");
    expect(await (form.get("reference") as Blob).text()).toBe("/files/reference.jpg");
  }
});

it("another swap takes character and mask along, with a consent of its own or not at all", async () => {
  const asked = answering(({ path }) =>
    path.startsWith("/files/") ? new Response(path) : Response.json(sent),
  );
  const made = version({
    kind: "swap",
    parent: 2,
    parameters: { consent: true, caller: "key phone", remote: true, k_global: 3, seed: 1 },
    links: { mask: "/files/mask.png", reference: "/files/reference.jpg" },
  });
  await expect(retry(run(made), made)).rejects.toThrow("everybody agrees");
  expect(asked).toEqual([]);
  await retry(run(made), made, true);
  await retry(run(made), { ...made, links: { ...made.links, mask: null } }, true);
  const posts = asked.filter((one) => one.method === "POST");
  expect(posts.map((one) => one.path)).toEqual(Array(2).fill("/api/v1/runs/0a.me/swap"));
  const forms = posts.map((one) => one.body as FormData);
  for (const form of forms) {
    const { seed, ...rest } = JSON.parse(String(form.get("parameters")));
    // Who asks is the API's to say, and that pictures may leave the server is not agreed to here.
    expect(rest).toEqual({ consent: true, k_global: 3 });
    expect(seed).not.toBe(1);
    expect(form.get("base")).toBe("2");
    expect(await (form.get("reference") as Blob).text()).toBe("/files/reference.jpg");
  }
  expect(await (forms[0]!.get("mask") as Blob).text()).toBe("/files/mask.png");
  expect(forms.map((form) => form.get("mask_is"))).toEqual(["white", null]);
});
