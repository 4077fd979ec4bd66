import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import CircularProgress from "@mui/material/CircularProgress";
import Stack from "@mui/material/Stack";
import { lazy, Suspense, useCallback, useEffect, useRef, useState } from "react";
import {
  ApiError,
  cutoutAgain,
  fillAgain,
  newCutout,
  newFill,
  newImport,
  newSearch,
  searchAgain,
} from "../api/client";
import type { Run, Studio } from "../api/types";
import { PROTECT, REMOVE } from "../mask/labels";
import { maskPng } from "../mask/png";
import { goTo, useRunId } from "../route";
import { type Choices, chosenParameters, NO_CHOICES, searchParameters } from "../state/choices";
import { tidyDrafts } from "../state/drafts";
import { useFileEntry } from "../state/useFileEntry";
import { useRun } from "../state/useRun";
import { useWork } from "../state/useWork";
import { EmptyState } from "./EmptyState";
import { VersionList } from "./look/VersionList";
import { useNotice } from "./NoticeProvider";
import { PaintSection } from "./paint/PaintSection";

const RefineDrawer = lazy(() => import("./refine/RefineDrawer"));

interface Props {
  studio: Studio;
  onSignedOut: () => void;
}

/** Paint above, versions below, the drawer beside them. */
export function StudioPage({ studio, onSignedOut }: Props) {
  const runId = useRunId();
  const hand = useRun(runId);
  const say = useNotice();
  const unkept = useCallback(
    () =>
      say("This browser keeps no drafts (a private window?): a reload loses the mask.", "warning"),
    [say],
  );
  const work = useWork(runId, hand.run, studio, unkept);
  const [choices, setChoices] = useState<Choices>(NO_CHOICES);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [refining, setRefining] = useState<{ open: boolean; base: number | null }>({
    open: false,
    base: null,
  });
  const newest = useRef<number | null>(null);
  const choose = (file: File) => void work.choose(file);
  useFileEntry(choose, studio.limits.maxBytes, setProblem);

  const { user } = studio;
  useEffect(() => void tidyDrafts(user), [user]);
  useEffect(() => {
    if (hand.problem?.status === 401) onSignedOut();
  }, [hand.problem, onSignedOut]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another run has problems of its own.
  useEffect(() => {
    setProblem(null);
    setRefining({ open: false, base: null });
  }, [runId]);

  const order = async (make: () => Promise<Run>) => {
    setBusy(true);
    setProblem(null);
    try {
      const run = await make();
      newest.current = Math.max(...run.versions.map((one) => one.version));
      if (run.runId !== runId) {
        work.adopt(run.runId);
        hand.take(run);
        goTo(run.runId);
      } else {
        hand.take(run);
        hand.look(true);
      }
    } catch (error) {
      setProblem((error as Error).message);
      if (error instanceof ApiError && error.status === 401) onSignedOut();
    } finally {
      setBusy(false);
    }
  };

  const { photo, painting, base } = work;
  const patient = studio.can.region.ignoresPrompt ?? false;
  const painted = async () => {
    if (!photo || !painting) throw new Error("There is no photo yet.");
    const { width, height } = painting;
    const mask = await maskPng(painting.mask(REMOVE), width, height);
    const protect = painting.count(PROTECT)
      ? await maskPng(painting.mask(PROTECT), width, height)
      : undefined;
    return { mask, protect, prompt: choices.prompt.trim() || undefined };
  };
  const fill = () =>
    order(async () => {
      const given = { ...(await painted()), parameters: chosenParameters(choices, patient) };
      return runId ? fillAgain(runId, base, given) : newFill(photo!.file!, given);
    });
  const search = () =>
    order(async () => {
      const judges = studio.can.search.remoteJudges ?? false;
      const parameters = searchParameters(choices, patient, judges);
      const given = { ...(await painted()), parameters };
      const run = await (runId ? searchAgain(runId, base, given) : newSearch(photo!.file!, given));
      // Consent is for one time.
      setChoices((had) => ({ ...had, remoteJudges: false }));
      return run;
    });
  const cutOut = () =>
    order(async () => (runId ? cutoutAgain(runId, base, {}) : newCutout(photo!.file!, {})));
  const refine = async (from: number | null) => {
    if (!runId) await order(() => newImport(photo!.file!));
    setRefining({ open: true, base: from });
  };
  const goOn = (version: number) => {
    work.setBase(version);
    painting?.clear();
    say(`You now paint on v${version}. The mask is cleared; undo brings it back.`);
    document.getElementById("paint")?.scrollIntoView({ behavior: "smooth" });
  };

  if (runId && hand.problem) {
    return (
      <Stack spacing={2} sx={{ alignItems: "start", pt: 4 }}>
        <Alert severity="error">{hand.problem.message}</Alert>
        <Button variant="contained" onClick={() => goTo(null)}>
          Begin with a new picture
        </Button>
      </Stack>
    );
  }
  if (!photo && !work.opening && !runId) {
    return <EmptyState onPhoto={choose} problem={problem ?? work.problem} studio={studio} />;
  }
  return (
    <Stack spacing={{ xs: 4, md: 6 }}>
      {hand.away && (
        <Alert severity="warning" role="status">
          The server does not answer at the moment. What is shown is what it said last.
        </Alert>
      )}
      {photo && painting ? (
        <PaintSection
          studio={studio}
          run={hand.run}
          work={{ ...work, photo, painting }}
          choices={choices}
          onChoices={setChoices}
          busy={busy}
          problem={problem ?? work.problem}
          onFill={() => void fill()}
          onSearch={() => void search()}
          onCutOut={() => void cutOut()}
          onRefine={() => void refine(null)}
        />
      ) : (
        <Box sx={{ display: "grid", placeItems: "center", minHeight: 320 }}>
          {work.problem ? (
            <Alert severity="error">{work.problem}</Alert>
          ) : (
            <CircularProgress aria-label="Opening the photo" />
          )}
        </Box>
      )}
      {hand.run && (
        <VersionList
          run={hand.run}
          // Not behind the open drawer, which has the focus.
          newest={refining.open ? null : newest.current}
          onRun={hand.take}
          onLook={() => hand.look(true)}
          onGoOn={goOn}
          onRefine={(version) => void refine(version)}
        />
      )}
      {hand.run && runId && (
        <Suspense fallback={null}>
          <RefineDrawer
            open={refining.open}
            onOpen={() => setRefining((had) => ({ ...had, open: true }))}
            onClose={() => setRefining((had) => ({ ...had, open: false }))}
            run={hand.run}
            first={refining.base}
            studio={studio}
            onSent={(version) => {
              newest.current = version;
              hand.look(true);
            }}
          />
        </Suspense>
      )}
    </Stack>
  );
}
