// Versions in words: titles, where they come from, what becomes of them.

import type { RefineType, Status, Version } from "../api/types";

const TITLES: Record<string, string> = {
  inpaint: "Removed",
  cutout: "Cut out",
  import: "Your photo",
  search: "Best of several",
  swap: "Face swapped",
};
const REFINED: Record<RefineType, string> = {
  subject: "Subject repaired",
  text: "Text repaired",
  region: "Regions repainted",
  general: "Changed as a whole",
};
const STATUS: Record<Status, string> = {
  pending: "Waiting",
  processing: "Working",
  completed: "Done",
  failed: "Did not work",
  cancelled: "Cancelled",
};

export function title(version: Version): string {
  if (version.type) return REFINED[version.type];
  return TITLES[version.kind] ?? version.kind;
}

export function versionName(version: number): string {
  return version === 0 ? "the original" : `v${version}`;
}

export function statusName(status: Status): string {
  return STATUS[status];
}

/** How many jobs are served before a waiting one. */
export function waitingWords(before: number | null): string {
  if (before === null) return "Waiting for its turn";
  if (before === 0) return "Next in line";
  return before === 1 ? "One picture before yours" : `${before} pictures before yours`;
}

/** Return where a version's picture is to be seen: smaller than without loss, where there is one. */
export function shownUrl(version: Version): string | null {
  return version.links.edited ?? version.imageUrl;
}

/** Whether a version may be painted on and refined: a finished picture without transparency. */
export function isBase(version: Version): boolean {
  return (
    version.processingStatus === "completed" && version.kind !== "cutout" && !!version.imageUrl
  );
}
