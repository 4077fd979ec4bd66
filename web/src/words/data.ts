// A user's data in words: what quotas leave, what was deleted, why a deletion was refused.

import { ApiError } from "../api/client";
import type { Usage } from "../api/types";

/** One quota that is on, and what is used of it. */
export interface Meter {
  name: string;
  words: string;
  /** From 0 to 1, and no more where more is used. */
  share: number;
}

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];

/** Return bytes as people read them. */
export function bytesWords(count: number): string {
  let unit = 0;
  let value = count;
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${Number(value.toFixed(unit ? 1 : 0))} ${UNITS[unit]}`;
}

const usd = (amount: number): string => `$${amount.toFixed(2)}`;

/** Return the quotas that are on; none where a user may have anything. */
export function metersOf({ jobs, keptBytes, judgeUsd }: Usage): Meter[] {
  const found: Meter[] = [];
  const add = (name: string, words: string, used: number, limit: number) =>
    found.push({ name, words, share: limit > 0 ? Math.min(used / limit, 1) : 1 });
  if (jobs.limit !== null) {
    const used = jobs.used ?? 0;
    add("Jobs that wait or run", `${used} of ${jobs.limit}`, used, jobs.limit);
  }
  if (keptBytes.limit !== null) {
    const { used, limit } = keptBytes;
    add("Files kept", `${bytesWords(used)} of ${bytesWords(limit)}`, used, limit);
  }
  if (judgeUsd.limit !== null) {
    const { used, held, limit } = judgeUsd;
    const more = held > 0 ? `, ${usd(held)} held for jobs under way` : "";
    const words = `${usd(used)} of ${usd(limit)}${more}`;
    add("Judges and engines elsewhere, today (UTC)", words, used + held, limit);
  }
  return found;
}

// One of it, and many.
const DELETED: Record<string, readonly [string, string]> = {
  jobs: ["job under way, cancelled", "jobs under way, cancelled"],
  messages: ["message of the queue", "messages of the queue"],
  documents: ["version or result, with its report", "versions and results, with their reports"],
  files: ["file", "files"],
  records: ["record of consents and quotas", "records of consents and quotas"],
  audits: ["audit", "audits"],
};

/** Return how many of what were deleted, without what there was none of. */
export function deletedWords(counts: Record<string, number>): string[] {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${DELETED[name]?.[count === 1 ? 0 : 1] ?? name}`);
}

/** Return why a deletion did not come to its end, and what to do. */
export function deletionProblem(error: Error): string {
  const status = error instanceof ApiError ? error.status : -1;
  if (status === 403) return `Only your own key, or an admin's, may do this. ${error.message}`;
  if (status === 409) return "A deletion is already under way. Try again in a moment.";
  // It may have begun: the answer is what is missing.
  if (status === 0 || status >= 500) {
    return `${error.message} Some of it may be deleted already; the same again does no harm.`;
  }
  return error.message;
}
