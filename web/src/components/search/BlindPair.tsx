import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Stack from "@mui/material/Stack";
import Typography from "@mui/material/Typography";
import { ArrowDown, ArrowLeft, ArrowRight } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { type Chosen, compareCandidates } from "../../api/client";
import type { Choice, Sheet } from "../../api/types";
import { useShortcuts } from "../../state/useShortcuts";
import { agreementWords, preferredWords } from "../../words/candidates";
import { CandidatePicture } from "./CandidatePicture";

const CHOSEN: Record<Choice, string> = {
  left: "You chose the left one.",
  right: "You chose the right one.",
  none: "You chose neither.",
};

interface Props {
  runId: string;
  version: number;
  pair: readonly [number, number];
  sheet: Sheet;
  picture: string;
  onChosen: (chosen: Chosen) => void;
  /** null: there is no other pair. */
  onAnother: (() => void) | null;
}

/** Two candidates without number and score; what the search prefers is told after the choice. */
export function BlindPair(props: Props) {
  const { runId, version, pair, sheet, picture, onChosen, onAnother } = props;
  const place = useRef<HTMLDivElement>(null);
  const [busy, setBusy] = useState(false);
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => place.current?.focus(), []);
  const choose = async (choice: Choice) => {
    if (busy || chosen) return;
    setBusy(true);
    setProblem(null);
    try {
      const told = await compareCandidates(runId, version, pair, choice);
      setChosen(told);
      onChosen(told);
    } catch (error) {
      setProblem((error as Error).message);
    } finally {
      setBusy(false);
    }
  };
  useShortcuts(
    {
      arrowleft: () => void choose("left"),
      arrowright: () => void choose("right"),
      arrowdown: () => void choose("none"),
    },
    place,
  );
  const name = (side: "left" | "right", number: number) =>
    chosen ? `The ${side} one: number ${number}` : `The ${side} one`;
  return (
    <Stack ref={place} tabIndex={-1} spacing={2} sx={{ "&:focus-visible": { outline: "none" } }}>
      <Typography variant="body2" color="textSecondary">
        Which fill do you like better? Arrow keys choose too: left, right, or down for neither.
      </Typography>
      <Box sx={{ display: "grid", gridTemplateColumns: "1fr 1fr", gap: { xs: 1, sm: 2 } }}>
        {(["left", "right"] as const).map((side, index) => (
          <Box component="figure" key={side} sx={{ m: 0 }}>
            <CandidatePicture
              number={pair[index]!}
              name={name(side, pair[index]!)}
              sheet={sheet}
              picture={picture}
            />
            <Typography component="figcaption" variant="body2" sx={{ mt: 0.75, fontWeight: 600 }}>
              {name(side, pair[index]!)}
            </Typography>
          </Box>
        ))}
      </Box>
      {problem && <Alert severity="error">{problem}</Alert>}
      <Box role="status">
        {chosen && (
          <>
            <Typography sx={{ fontWeight: 600 }}>
              {CHOSEN[chosen.comparison.choice]} {preferredWords(chosen)}
            </Typography>
            <Typography variant="body2" color="textSecondary">
              {agreementWords(chosen.version)}
            </Typography>
          </>
        )}
      </Box>
      {chosen ? (
        onAnother ? (
          <Button variant="contained" autoFocus onClick={onAnother} sx={{ alignSelf: "start" }}>
            Another two
          </Button>
        ) : (
          <Typography>All pairs are compared.</Typography>
        )
      ) : (
        <Box
          role="group"
          aria-label="Which is better?"
          sx={{
            display: "grid",
            gap: 1,
            gridTemplateColumns: { xs: "1fr", sm: "repeat(3, 1fr)" },
          }}
        >
          {(
            [
              ["left", "The left one", ArrowLeft],
              ["none", "Neither", ArrowDown],
              ["right", "The right one", ArrowRight],
            ] as const
          ).map(([choice, words, Icon]) => (
            <Button
              key={choice}
              variant="outlined"
              disabled={busy}
              startIcon={<Icon size={17} aria-hidden />}
              onClick={() => void choose(choice)}
            >
              {words}
            </Button>
          ))}
        </Box>
      )}
    </Stack>
  );
}
