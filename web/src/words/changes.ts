// Where a picture changed, as a report has it.

import type { Report } from "../api/types";

export interface Changes {
  /** Of the pixels, 0 to 1. */
  share: number;
  /** By row and column, how far the colours moved. */
  cells: number[][];
}

/** Return where a picture changed; null where a report says nothing of it, or says it otherwise. */
export function changesOf(report: Report | null): Changes | null {
  const { share, cells } = (report?.changes ?? {}) as Record<string, unknown>;
  if (typeof share !== "number" || !Array.isArray(cells) || !cells.length) return null;
  const columns = Array.isArray(cells[0]) ? cells[0].length : 0;
  const whole = cells.every(
    (row) =>
      Array.isArray(row) && row.length === columns && row.every((one) => Number.isFinite(one)),
  );
  return columns && whole ? { share, cells: cells as number[][] } : null;
}
