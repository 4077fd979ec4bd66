// What the API answers, where a test asks no server: a browser's addresses have no host here.

import { vi } from "vitest";

export interface Asked {
  method: string;
  path: string;
  body: unknown;
}

/** Have every request answered by `answer`, until `vi.unstubAllGlobals`; returns what was asked. */
export function answering(answer: (asked: Asked) => Response): Asked[] {
  const all: Asked[] = [];
  vi.stubGlobal("fetch", async (path: string, init: RequestInit = {}) => {
    const body = typeof init.body === "string" ? JSON.parse(init.body) : (init.body ?? null);
    const asked = { method: init.method ?? "GET", path, body };
    all.push(asked);
    return answer(asked);
  });
  return all;
}

/** A failure as the API says it. */
export function refusal(status: number, message: string): Response {
  return Response.json({ error: { kind: "REFUSED", message } }, { status });
}
