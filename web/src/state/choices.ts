// What stands under "More": what a person may leave to the server, as texts while it is typed.

import { wordsProblem } from "../api/payloads";
import type { Parameters } from "../api/types";

export type Preset = "eacps" | "photoreal";

export interface Choices {
  seed: string;
  engine: "auto" | "flux" | "klein" | "edit" | "lama" | "patch";
  deadlineS: string;
  /** What to fill with; patches and LaMa do not hear it. */
  prompt: string;
  /** Have the server find and spare the pet where nothing is marked as protected. */
  sparePet: boolean;
  /** How many are tried, and what counts, where several are. */
  preset: Preset;
  /** Whether pictures may leave the server for judges elsewhere; asked for each search anew. */
  remoteJudges: boolean;
}

export const NO_CHOICES: Choices = {
  seed: "",
  engine: "auto",
  deadlineS: "",
  prompt: "",
  sparePet: true,
  preset: "eacps",
  remoteJudges: false,
};
// A seed is exact as a number of JavaScript's up to here, and nobody misses the others.
export const LARGEST_SEED = Number.MAX_SAFE_INTEGER;
// As the API has it.
export const LONGEST_S = 180;
// Where nobody said otherwise and all is filled on a CPU: 12 MP on a busy one take over the API's own
// 30 s, and would be begun again and again.
const PATIENT_S = 120;

/** Return what is wrong with the choices, null where nothing is. */
export function choicesProblem({ seed, deadlineS, prompt }: Choices): string | null {
  if (seed && !(/^\d+$/.test(seed) && Number(seed) <= LARGEST_SEED)) {
    return `Seed: a whole number from 0 to ${LARGEST_SEED}.`;
  }
  const wordy = wordsProblem("What should be there", prompt, false);
  if (wordy) return wordy;
  const seconds = Number(deadlineS);
  if (deadlineS && !(seconds > 0 && seconds <= LONGEST_S)) {
    return `Deadline: up to ${LONGEST_S} seconds.`;
  }
  return null;
}

/** Return the parameters that were chosen; what was not is the server's choice.
 *
 * @param patient whether the server fills on a CPU, which may take its time.
 */
export function chosenParameters(choices: Choices, patient: boolean): Parameters {
  const { seed, engine, sparePet } = choices;
  const deadlineS = choices.deadlineS || (patient ? PATIENT_S : null);
  return {
    ...(seed ? { seed: Number(seed) } : {}),
    ...(engine === "auto" ? {} : { engine }),
    ...(deadlineS ? { deadline_ms: Math.max(Math.round(Number(deadlineS) * 1000), 1) } : {}),
    ...(sparePet ? {} : { protect: "none" }),
  };
}

/** Return the parameters of a search that were chosen; see `chosenParameters`.
 *
 * @param judges whether the server has judges elsewhere.
 */
export function searchParameters(choices: Choices, patient: boolean, judges: boolean): Parameters {
  return {
    ...chosenParameters(choices, patient),
    preset: choices.preset,
    ...(judges && choices.remoteJudges ? { remote: true } : {}),
  };
}

/** Return a seed that nobody has chosen. */
export function anotherSeed(): number {
  return Math.floor(Math.random() * 2 ** 31);
}
