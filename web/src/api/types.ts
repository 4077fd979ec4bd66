// What the API says, as its own page (/docs) describes it. Times in s since the epoch.

export interface Ability {
  available: boolean;
  why: string | null;
  /** The picture is sent to another company's machine. */
  remote?: boolean;
  /** Judges elsewhere can be asked too: pictures leave the server for them. */
  remoteJudges?: boolean;
  /** What is asked for in words is not heard. */
  ignoresPrompt?: boolean;
  /** What fills here; empty where the server has not said it. */
  engines?: string[];
}

export type AbilityName = "cutout" | "findMasks" | "search" | "swap" | RefineType;

export interface Studio {
  signedIn: boolean;
  needsKey: boolean;
  user: string | null;
  version: string;
  profile: string | null;
  can: Record<AbilityName, Ability>;
  limits: { maxBytes: number; minSide: number; maxSide: number; maxPixels: number };
}

export type Status = "pending" | "processing" | "completed" | "failed" | "cancelled";
export type RefineType = "subject" | "text" | "region" | "general";
export type Scalar = string | number | boolean;
export type Parameters = Record<string, Scalar>;

export interface Progress {
  stage: string;
  share: number | null;
}

export interface Failure {
  kind: string;
  message: string;
}

export interface Feedback {
  rating: number;
  comment?: string | null;
}

export interface Version {
  version: number;
  jobId: string;
  kind: "inpaint" | "cutout" | "import" | "refine" | "search" | "swap" | (string & {});
  type: RefineType | null;
  payload: unknown;
  /** Of which version it was made; 0: of the photo. */
  parent: number;
  createdAt: number;
  processingStatus: Status;
  progress: Progress | null;
  waitingBefore: number | null;
  links: Record<string, string | null>;
  imageUrl: string | null;
  previewUrl: string | null;
  report: Report | null;
  feedback: Feedback | null;
  /** Of a search's candidates, or a swap's, two by two. */
  comparisons?: Compared[];
  agreement?: Agreement | null;
  error: Failure | null;
  parameters: Parameters;
  prompt?: string | null;
  note?: string | null;
}

export interface Run {
  runId: string;
  createdAt: number;
  updatedAt: number;
  processingStatus: Status;
  versions: Version[];
}

export interface RunSummary {
  runId: string;
  createdAt: number;
  updatedAt: number;
  processingStatus: Status;
  versions: number;
  kind: string;
  previewUrl: string | null;
}

/** A report is shown by name where it has what is asked for: each kind of job has its own. */
export type Report = Record<string, unknown>;

/** A candidate of a search, as its report and its events say it. */
export interface Candidate {
  number: number;
  phase: string;
  parent: number | null;
  seed: number;
  variation: string;
  /** By axis, 0 to 10; an axis that nobody judged is absent. */
  scores: Record<string, number>;
  potential: number | null;
  aboveFloor: boolean;
  /** Of a swap, whether it is enough like the character to win. */
  keepsIdentity?: boolean;
  error: string | null;
}

/** The picture in which each candidate has a cell, row by row, by its number. */
export interface Sheet {
  planned: number;
  columns: number;
  rows: number;
  /** Width of a cell by its height. */
  ratio: number;
}

export type Choice = "left" | "right" | "none";

export interface Compared {
  left: number;
  right: number;
  choice: Choice;
  /** By the search; null: it cannot say. */
  preferred: Choice | null;
}

/** How often blind choices are the search's own; ties are left out. */
export interface Agreement {
  compared: number;
  decided: number;
  agreed: number;
  share: number | null;
  low: number | null;
  high: number | null;
}

export interface Found {
  phrase: string | null;
  score: number;
  share: number;
  /** A PNG in base64, white = it. */
  mask: string;
}

export type JobEvent =
  | {
      type: "state";
      seq: number;
      status: Status;
      progress: Progress | null;
      waitingBefore: number | null;
      at: number;
    }
  | { type: "log"; seq: number; at: number; line: string }
  | { type: "preview"; seq: number; url: string }
  | {
      type: "candidate";
      seq: number;
      /** Which of the job's starts made it: another one begins anew. */
      start: number;
      sheet: Sheet | null;
      candidate: Candidate;
    }
  | {
      type: "end";
      seq: number;
      status: Status;
      version: number;
      report: Report | null;
      error: Failure | null;
    };

export interface RefineRequest {
  type: RefineType;
  payload: unknown;
  creativity: number;
  base: number;
  parameters: Parameters;
}

/** What a user has and may have; a limit of null is none. */
export interface Usage {
  /** Jobs that wait or run; null: nobody counts. */
  jobs: { used: number | null; limit: number | null };
  keptBytes: { used: number; limit: number | null };
  /** Of the jobs queued today (UTC), USD; `held` for those that are not over. */
  judgeUsd: { used: number; held: number; limit: number | null };
}

export interface DeletedUser {
  uid: string;
  /** How many there were, by what is kept. */
  deleted: Record<string, number>;
  lateUntil: number;
}

export function isOver(status: Status): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}
