import { useCallback, useEffect, useState } from "react";
import { studio } from "../api/client";
import type { Studio } from "../api/types";

// Until the API answers (again), ms.
const AGAIN_MS = 3_000;
// Which networks the server has changes with its restarts: looked at this often, ms.
const LOOK_MS = 30_000;

/** Whether nothing can be done yet: the API is there before the server behind it. */
export function isStarting({ can }: Studio): boolean {
  return !Object.values(can).some((one) => one.available);
}

/** Return who is signed in and what the server can do, null until that is known. */
export function useStudio(): { studio: Studio | null; away: boolean; look: () => void } {
  const [known, setKnown] = useState<Studio | null>(null);
  const [away, setAway] = useState(false);
  const [turn, setTurn] = useState(0);
  const look = useCallback(() => setTurn((n) => n + 1), []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another turn asks again.
  useEffect(() => {
    const leaving = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    studio(leaving.signal).then(
      (found) => {
        setKnown(found);
        setAway(false);
        timer = setTimeout(look, isStarting(found) ? AGAIN_MS : LOOK_MS);
      },
      () => {
        if (leaving.signal.aborted) return;
        setAway(true);
        timer = setTimeout(look, AGAIN_MS);
      },
    );
    return () => {
      leaving.abort();
      clearTimeout(timer);
    };
  }, [turn, look]);
  return { studio: known, away, look };
}
