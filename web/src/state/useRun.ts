import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { ApiError, getRun } from "../api/client";
import { isOver, type Run } from "../api/types";
import { feedOf } from "./feeds";

// Other tabs of the same browser tell each other which run has changed.
const CHANNEL = "pawfect-runs";
const ALL = "*";
// While the API is away, ms; and in case an event got lost while jobs are under way.
const AGAIN_MS = 3_000;
const LOOK_MS = 20_000;

export interface RunInHand {
  run: Run | null;
  /** Why there is none. */
  problem: ApiError | null;
  /** The API does not answer; what is shown is what it said last. */
  away: boolean;
  /** Ask for it again; `tell` has other tabs do the same. */
  look: (tell?: boolean) => void;
  take: (run: Run) => void;
}

/** Have other tabs look at whichever run they show: all are gone. */
export function tellAllGone(): void {
  if (typeof BroadcastChannel === "undefined") return;
  const others = new BroadcastChannel(CHANNEL);
  others.postMessage(ALL);
  others.close();
}

/** Return a run as it stands: read again when a job ends, when another tab changed it, on return. */
export function useRun(runId: string | null): RunInHand {
  const [run, setRun] = useState<Run | null>(null);
  const [problem, setProblem] = useState<ApiError | null>(null);
  const [away, setAway] = useState(false);
  const [turn, setTurn] = useState(0);
  const channel = useRef<BroadcastChannel | null>(null);
  const current = run?.runId === runId ? run : null;

  const look = useCallback(
    (tell = false) => {
      setTurn((n) => n + 1);
      if (tell) channel.current?.postMessage(runId);
    },
    [runId],
  );

  useEffect(() => {
    if (runId === null) return;
    const back = () => document.visibilityState === "visible" && look();
    document.addEventListener("visibilitychange", back);
    const others = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(CHANNEL);
    channel.current = others;
    if (others) others.onmessage = ({ data }) => (data === runId || data === ALL) && look();
    return () => {
      document.removeEventListener("visibilitychange", back);
      others?.close();
      channel.current = null;
    };
  }, [runId, look]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another turn asks again.
  useEffect(() => {
    setProblem(null);
    if (runId === null) return;
    const leaving = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    getRun(runId, leaving.signal).then(
      (found) => {
        setRun(found);
        setAway(false);
        if (found.versions.some((one) => !isOver(one.processingStatus))) {
          timer = setTimeout(look, LOOK_MS);
        }
      },
      (error: unknown) => {
        if (leaving.signal.aborted) return;
        const passing = error instanceof ApiError && error.passing;
        setAway(passing);
        if (passing) timer = setTimeout(look, AGAIN_MS);
        else if (error instanceof ApiError) setProblem(error);
      },
    );
    return () => {
      leaving.abort();
      clearTimeout(timer);
    };
  }, [runId, turn, look]);

  const busy = useMemo(
    () => (current?.versions ?? []).filter((one) => !isOver(one.processingStatus)),
    [current],
  );
  const jobs = busy.map((one) => one.jobId).join(" ");
  useEffect(() => {
    const leave = jobs
      .split(" ")
      .filter(Boolean)
      .map((jobId) => {
        const feed = feedOf(jobId);
        return feed.subscribe(() => {
          if (feed.feed.ended) look();
        });
      });
    return () => {
      for (const one of leave) one();
    };
  }, [jobs, look]);

  return { run: current, problem, away, look, take: setRun };
}
