// What a job's events have told so far. One connection per job, whoever looks at it.

import { type Connection, JobEvents } from "../api/events";
import type { Candidate, JobEvent, Progress, Sheet, Status } from "../api/types";

export interface Feed {
  status: Status | null;
  progress: Progress | null;
  waitingBefore: number | null;
  preview: string | null;
  /** Of a search, as they were finished; of the job's newest start alone. */
  candidates: readonly Candidate[];
  sheet: Sheet | null;
  /** Numbers of those that were there before the last preview, which shows them. */
  drawn: readonly number[];
  start: number;
  lines: readonly LogLine[];
  connection: Connection;
  ended: boolean;
}

export interface LogLine {
  seq: number;
  at: number;
  line: string;
}

// Lines that are kept, the newest: a long search writes thousands.
const MOST_LINES = 1_000;
export const NOTHING: Feed = {
  status: null,
  progress: null,
  waitingBefore: null,
  preview: null,
  candidates: [],
  sheet: null,
  drawn: [],
  start: 0,
  lines: [],
  connection: "connecting",
  ended: false,
};

/** Return what is known of a job after one more event. */
export function told(feed: Feed, event: JobEvent): Feed {
  switch (event.type) {
    case "state": {
      const { status, progress, waitingBefore } = event;
      return { ...feed, status, progress, waitingBefore };
    }
    case "log": {
      const line = { seq: event.seq, at: event.at, line: event.line };
      return { ...feed, lines: [...feed.lines, line].slice(-MOST_LINES) };
    }
    case "preview":
      return { ...feed, preview: event.url, drawn: feed.candidates.map((one) => one.number) };
    case "candidate": {
      const { start, sheet, candidate } = event;
      // What an earlier start made is gone with it.
      const same = start === feed.start;
      const had = same ? feed.candidates : [];
      const others = had.filter((one) => one.number !== candidate.number);
      const drawn = same ? feed.drawn : [];
      return { ...feed, start, sheet, drawn, candidates: [...others, candidate] };
    }
    case "end":
      return { ...feed, status: event.status, progress: null, ended: true };
  }
}

class JobFeed {
  feed = NOTHING;
  private readonly listeners = new Set<() => void>();
  private events: JobEvents | null = null;

  constructor(
    private readonly jobId: string,
    private readonly onIdle: () => void,
  ) {}

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    if (!this.events && !this.feed.ended) {
      this.events = new JobEvents(this.jobId, {
        onEvent: (event) => this.set(told(this.feed, event)),
        onConnection: (connection) => this.set({ ...this.feed, connection }),
      });
    }
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size) return;
      this.events?.close();
      this.events = null;
      // What has ended stays readable; what has not begins anew, from its first event.
      if (!this.feed.ended) this.onIdle();
    };
  };

  private set(feed: Feed): void {
    this.feed = feed;
    for (const listener of this.listeners) listener();
  }
}

const feeds = new Map<string, JobFeed>();

export function feedOf(jobId: string): JobFeed {
  let feed = feeds.get(jobId);
  if (!feed) {
    feed = new JobFeed(jobId, () => feeds.delete(jobId));
    feeds.set(jobId, feed);
  }
  return feed;
}
