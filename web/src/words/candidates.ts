// Candidates of a search in words.

import type { Chosen } from "../api/client";
import type { Agreement, Candidate } from "../api/types";
import { percent } from "./report";

const AXES: Record<string, string> = {
  consistency: "Fits in",
  realism: "Looks real",
  identity: "Looks like them",
};
const VARIATIONS: Record<string, string> = {
  undiffused: "plain",
  seed: "another seed",
  guidance: "another guidance",
  prompt: "another prompt",
  mirrored: "mirrored",
  turned: "turned",
  coarser: "coarser",
  neighbourhood: "close by",
  renoised: "painted anew in part",
  worst_part: "its worst part anew",
  refined: "refined",
  boosted: "drawn at another size",
};

export function axisName(axis: string): string {
  return AXES[axis] ?? axis;
}

/** Where a candidate comes from: its stage, what it started from, how it differs. */
export function phaseWords({ parent, variation }: Candidate): string {
  const how = VARIATIONS[variation] ?? variation.replaceAll("_", " ");
  return parent === null ? `First round: ${how}` : `From number ${parent}: ${how}`;
}

/** What a candidate's picture is called for those who do not see it. */
export function candidateName({ number, potential }: Candidate, best: boolean): string {
  const score = potential === null ? "" : `, ${potential.toFixed(1)} of 10`;
  return `Number ${number}${score}${best ? ", the best" : ""}`;
}

/** How often the search was agreed with; where nothing is decided, that. */
export function agreementWords({ decided, agreed, share, low, high }: Agreement): string {
  if (share === null || low === null || high === null) return "No choice tells anything so far.";
  const choices = decided === 1 ? "choice" : "choices";
  return (
    `${agreed} of ${decided} ${choices} agreed with the search so far: ${percent(share)} ` +
    `(somewhere from ${percent(low)} to ${percent(high)}).`
  );
}

/** What the search prefers, told after somebody has chosen. */
export function preferredWords({ comparison }: Chosen): string {
  const { left, right, choice, preferred } = comparison;
  if (preferred === null) return "The search cannot say which of them is better.";
  if (preferred === "none") return "The search takes them for equally good.";
  const number = preferred === "left" ? left : right;
  if (choice === preferred) return `The search prefers it too: number ${number}.`;
  return `The search prefers the ${preferred} one: number ${number}.`;
}
