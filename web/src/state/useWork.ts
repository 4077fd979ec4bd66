import { useCallback, useEffect, useRef, useState } from "react";
import { fileOf, newImport, photoUrl } from "../api/client";
import type { Run, Studio } from "../api/types";
import { Painting } from "../mask/painting";
import { goTo } from "../route";
import { isBase } from "../words/versions";
import { type Draft, draftKey, dropDraft, keepDraft, NEW, readDraft } from "./drafts";
import { closePhoto, openPhoto, type Photo, sizeProblem } from "./photo";
import { useDraft } from "./useDraft";

export interface Work {
  photo: Photo | null;
  painting: Painting | null;
  /** What is painted on: a version, 0 for the photo. */
  base: number;
  opening: boolean;
  problem: string | null;
  /** Begin with a photo. */
  choose: (file: File) => Promise<void>;
  setBase: (base: number) => void;
  /** Keep photo and mask for the run that was made of them. */
  adopt: (runId: string) => void;
}

/** Return the photo and the mask in hand: of a run, of a draft, or just chosen.
 *
 * @param onUnkept is told once where the browser keeps no drafts.
 */
export function useWork(
  runId: string | null,
  run: Run | null,
  { user, limits }: Studio,
  onUnkept: () => void,
): Work {
  const [photo, setPhoto] = useState<Photo | null>(null);
  const [painting, setPainting] = useState<Painting | null>(null);
  const [base, setBase] = useState(0);
  const [opening, setOpening] = useState(true);
  const [problem, setProblem] = useState<string | null>(null);
  // What photo and painting are of; a run's base that is to be opened is another.
  const held = useRef<string | null>(null);
  const paintingNow = useRef<Painting | null>(null);
  paintingNow.current = painting;

  const hold = useCallback((next: Photo | null, draft: Draft | null, fresh = false) => {
    setPhoto((had) => {
      if (had && had !== next) closePhoto(had);
      return next;
    });
    const same =
      next &&
      paintingNow.current?.width === next.width &&
      paintingNow.current.height === next.height;
    if (!next) return setPainting(null);
    if (same && !draft && !fresh) return;
    const made = new Painting(next.width, next.height);
    if (draft && draft.width === next.width && draft.height === next.height) {
      made.restore(draft.kept);
    }
    setPainting(made);
  }, []);

  const open = useCallback(
    async (key: string, picture: () => Promise<Blob>, name: string, draft: Draft | null) => {
      held.current = key;
      setOpening(true);
      setProblem(null);
      try {
        const opened = await openPhoto(await picture(), name);
        if (held.current === key) hold(opened, draft);
        else closePhoto(opened);
      } catch (error) {
        if (held.current !== key) return;
        held.current = null;
        throw error;
      } finally {
        if (held.current === key || held.current === null) setOpening(false);
      }
    },
    [hold],
  );

  // Another run, or none: its draft says what it is painted on.
  const [draft, setDraft] = useState<{ of: string; draft: Draft | null } | null>(null);
  useEffect(() => {
    const of = runId ?? NEW;
    const mine = runId === null ? held.current === NEW : held.current?.startsWith(`${runId} `);
    if (mine) return;
    held.current = null;
    setBase(0);
    setPainting(null);
    hold(null, null);
    setOpening(true);
    let left = false;
    void readDraft(draftKey(user, of)).then((found) => {
      if (left) return;
      setDraft({ of, draft: found });
      if (found) setBase(found.base);
      if (runId !== null) return;
      if (found?.photo) {
        const file = found.photo;
        open(NEW, async () => file, file.name, found).catch(() => setOpening(false));
      } else setOpening(false);
    });
    return () => {
      left = true;
    };
  }, [runId, user, hold, open]);

  const chosen = run?.versions.find((one) => one.version === base);
  const missing = run !== null && base !== 0 && !(chosen && isBase(chosen));
  useEffect(() => {
    if (missing) setBase(0);
  }, [missing]);
  const url = base === 0 ? runId && photoUrl(runId) : (chosen?.imageUrl ?? null);
  const ready = run !== null && draft !== null && draft.of === runId && !missing;
  useEffect(() => {
    const key = `${runId} ${base}`;
    if (!ready || !url || held.current === key) return;
    const first = held.current === null ? draft.draft : null;
    open(key, () => fileOf(url), base ? `v${base}` : "photo", first).catch((error: Error) =>
      setProblem(error.message),
    );
  }, [ready, url, base, runId, draft, open]);

  const forget = useDraft({
    key: draftKey(user, runId ?? NEW),
    painting,
    base,
    photo: runId === null ? (photo?.file ?? null) : null,
    onUnkept,
  });

  const choose = useCallback(
    async (file: File) => {
      setOpening(true);
      setProblem(null);
      try {
        const opened = await openPhoto(file, file.name).catch(() => null);
        const problem = opened && sizeProblem(opened, limits);
        if (problem) {
          closePhoto(opened);
          setProblem(problem);
        } else if (opened) {
          held.current = NEW;
          goTo(null);
          setBase(0);
          hold(opened, null, true);
        } else {
          // HEIC and TIFF are the server's to read. What it cannot read leaves all as it was.
          goTo((await newImport(file)).runId);
        }
      } catch (error) {
        setProblem((error as Error).message);
      } finally {
        setOpening(false);
      }
    },
    [hold, limits],
  );

  const adopt = useCallback(
    (made: string) => {
      held.current = `${made} 0`;
      setDraft({ of: made, draft: null });
      forget();
      const kept = paintingNow.current;
      if (kept) {
        const { width, height } = kept;
        const draft = { width, height, kept: kept.kept(), base: 0, photo: null };
        void keepDraft(draftKey(user, made), draft);
      }
      void dropDraft(draftKey(user, NEW));
    },
    [user, forget],
  );

  return { photo, painting, base, opening, problem, choose, setBase, adopt };
}
