// Every request that the page makes. Failures are ApiErrors with the API's own words.

import { plain } from "../words/plain";
import type {
  Agreement,
  Choice,
  Compared,
  DeletedUser,
  Feedback,
  Found,
  Parameters,
  RefineRequest,
  Run,
  RunSummary,
  Studio,
  Usage,
} from "./types";

const API = "/api/v1";

/** What the API said instead of an answer; status 0 where it said nothing. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    message: string,
  ) {
    super(message);
  }

  /** Whether the same may work in a while. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 502;
  }
}

async function answer(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...init });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError(0, "UNREACHABLE", "The server does not answer. Is it running?");
  }
  if (response.ok) return response;
  let kind = "UNKNOWN";
  let message = `The server answered with ${response.status}.`;
  try {
    const body = (await response.json()) as { error?: { kind?: string; message?: string } };
    kind = body.error?.kind ?? kind;
    message = body.error?.message ?? message;
  } catch {
    // A proxy's own page, not the API's words: the number says it.
  }
  throw new ApiError(response.status, kind, plain(message));
}

async function json<T>(path: string, init?: RequestInit): Promise<T> {
  return (await (await answer(path, init)).json()) as T;
}

function sent(body: unknown): RequestInit {
  const headers = { "content-type": "application/json" };
  return { method: "POST", headers, body: JSON.stringify(body) };
}

function form(fields: Record<string, Blob | Blob[] | string | string[] | undefined>): RequestInit {
  const body = new FormData();
  for (const [name, given] of Object.entries(fields)) {
    for (const value of given === undefined ? [] : Array.isArray(given) ? given : [given]) {
      if (typeof value === "string") body.append(name, value);
      else body.append(name, value, value instanceof File ? value.name : `${name}.png`);
    }
  }
  return { method: "POST", body };
}

function at(runId: string): string {
  return `${API}/runs/${encodeURIComponent(runId)}`;
}

export const studio = (signal?: AbortSignal): Promise<Studio> =>
  json(`${API}/studio`, signal ? { signal } : {});

export async function signIn(key: string): Promise<void> {
  await answer(`${API}/sign-in`, sent({ key }));
}

export async function signOut(): Promise<void> {
  await answer(`${API}/sign-in`, { method: "DELETE" });
}

export const listRuns = (before?: string): Promise<{ runs: RunSummary[]; next: string | null }> =>
  json(`${API}/runs?limit=24${before ? `&before=${encodeURIComponent(before)}` : ""}`);

export const getRun = (runId: string, signal?: AbortSignal): Promise<Run> =>
  json(at(runId), signal ? { signal } : {});

export interface FillOrder {
  mask: Blob;
  protect?: Blob | undefined;
  /** What to fill with, where the engine hears it. */
  prompt?: string | undefined;
  parameters: Parameters;
}

/** Make a run whose first version is the photo without what the mask marks. */
export const newFill = (photo: File, order: FillOrder): Promise<Run> =>
  json(`${API}/runs?kind=inpaint`, form({ photo, ...filled(order) }));

/** Make a run whose first version is the photo's subject. */
export const newCutout = (photo: File, parameters: Parameters): Promise<Run> =>
  json(`${API}/runs?kind=cutout`, form({ photo, parameters: JSON.stringify(parameters) }));

/** Make a run whose first version is the photo itself. */
export const newImport = (photo: File): Promise<Run> =>
  json(`${API}/runs?kind=import`, form({ photo }));

/** Fill again, on version `base`; 0 is the photo. */
export const fillAgain = (runId: string, base: number, order: FillOrder): Promise<Run> =>
  json(`${at(runId)}/inpaint`, form({ base: String(base), ...filled(order) }));

export interface SearchOrder extends FillOrder {
  /** Who the result is to show. */
  reference?: Blob | undefined;
}

/** Make a run whose first version is the best of many fills. */
export const newSearch = (photo: File, order: SearchOrder): Promise<Run> =>
  json(`${API}/runs?kind=search`, form({ photo, reference: order.reference, ...filled(order) }));

/** Search for the best of many fills, on version `base`; 0 is the photo. */
export const searchAgain = (runId: string, base: number, order: SearchOrder): Promise<Run> =>
  json(
    `${at(runId)}/search`,
    form({ base: String(base), reference: order.reference, ...filled(order) }),
  );

export interface SwapOrder {
  /** A picture of the character, whose face is put there. */
  reference: Blob;
  /** Says which face: the nearest to what is white; the surest where there is none. */
  mask?: Blob | undefined;
  /** `consent: true` among them, or the API refuses. */
  parameters: Parameters;
}

/** Swap a face, on version `base`; 0 is the photo. */
export const swapFace = (runId: string, base: number, order: SwapOrder): Promise<Run> =>
  json(
    `${at(runId)}/swap`,
    form({
      base: String(base),
      reference: order.reference,
      ...(order.mask ? { mask: order.mask, mask_is: "white" } : {}),
      parameters: JSON.stringify(order.parameters),
    }),
  );

export interface Chosen {
  comparison: Compared;
  version: Agreement;
  run: Agreement;
}

/** Keep which of two candidates of a search is the better one; returns what the search prefers. */
export const compareCandidates = (
  runId: string,
  version: number,
  pair: readonly [number, number],
  choice: Choice,
): Promise<Chosen> =>
  json(`${at(runId)}/comparisons`, sent({ version, left: pair[0], right: pair[1], choice }));

export const cutoutAgain = (runId: string, base: number, parameters: Parameters): Promise<Run> =>
  json(`${at(runId)}/cutout`, form({ base: String(base), parameters: JSON.stringify(parameters) }));

function filled({ mask, protect, prompt, parameters }: FillOrder) {
  // White is what goes, however much of the photo it is: nobody has to guess.
  return { mask, mask_is: "white", protect, prompt, parameters: JSON.stringify(parameters) };
}

export interface Refining {
  jobId: string;
  runId: string;
  version: number;
}

/** Refine a version; drawn masks are files, in the order in which the payload names them. */
export const refine = (
  runId: string,
  request: RefineRequest,
  masks: Blob[] = [],
): Promise<Refining> =>
  json(
    `${at(runId)}/refine`,
    masks.length ? form({ request: JSON.stringify(request), masks }) : sent(request),
  );

/** Keep a reference picture beside a run. */
export const addFile = (runId: string, file: File): Promise<{ fileId: string }> =>
  json(`${at(runId)}/files`, form({ file }));

export async function cancelVersion(runId: string, version: number): Promise<void> {
  await answer(`${at(runId)}/versions/${version}`, { method: "DELETE" });
}

export const rate = (runId: string, version: number, feedback: Feedback): Promise<Run> =>
  json(`${at(runId)}/feedback`, sent({ ...feedback, version }));

export interface Seen {
  photo?: File;
  run?: string;
  version?: number;
}

/** Find the subject of a photo, or what phrases name in it. */
export const findMasks = async (seen: Seen, phrases: string[] | "subject"): Promise<Found[]> => {
  const body = form({
    photo: seen.photo,
    run: seen.run,
    version: seen.version === undefined ? undefined : String(seen.version),
    ...(phrases === "subject" ? { subject: "true" } : { find: phrases }),
  });
  return (await json<{ found: Found[] }>(`${API}/masks`, body)).found;
};

/** Return a file of the API's as a Blob. */
export const fileOf = async (url: string): Promise<Blob> => (await answer(url)).blob();

export const photoUrl = (runId: string): string => `${at(runId)}/files/original.jpg?version=0`;
export const eventsUrl = (jobId: string): string =>
  `${API}/jobs/${encodeURIComponent(jobId)}/events`;
export const socketUrl = (jobId: string, after: number): string => {
  const where = new URL(`${API}/ws/${encodeURIComponent(jobId)}?after=${after}`, location.href);
  where.protocol = where.protocol === "https:" ? "wss:" : "ws:";
  return where.href;
};

const ofUser = (uid: string): string => `${API}/users/${encodeURIComponent(uid)}`;

/** Where a copy of all of a user's data is, a ZIP of any length: for the browser to save. */
export const exportUrl = (uid: string): string => `${ofUser(uid)}/export`;

export const usageOf = (uid: string): Promise<Usage> => json(`${ofUser(uid)}/usage`);

/** Delete everything that is kept of a user; done twice it does the same. */
export const deleteUser = (uid: string): Promise<DeletedUser> =>
  json(ofUser(uid), { method: "DELETE" });
