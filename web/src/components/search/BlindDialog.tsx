import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import useMediaQuery from "@mui/material/useMediaQuery";
import { useEffect, useState } from "react";
import type { Chosen } from "../../api/client";
import type { Compared, Version } from "../../api/types";
import { nextPair, searchOf } from "../../state/candidates";
import { BlindPair } from "./BlindPair";

interface Props {
  runId: string;
  version: Version;
  open: boolean;
  onClose: () => void;
  onChosen: (chosen: Chosen) => void;
}

/** Candidates of a search compared blind, as many pairs as somebody likes. */
export function BlindDialog({ runId, version, open, onClose, onChosen }: Props) {
  const small = useMediaQuery("(max-width: 700px)");
  const { candidates, sheet, picture } = searchOf(version);
  const [pair, setPair] = useState<[number, number] | null>(null);
  // The run is read again later: what was chosen here counts at once.
  const [done, setDone] = useState<Compared[]>([]);
  const compared = [...(version.comparisons ?? []), ...done];
  // biome-ignore lint/correctness/useExhaustiveDependencies: it begins anew each time it opens.
  useEffect(() => {
    if (open) setPair(nextPair(candidates, compared));
  }, [open]);
  const more = nextPair(candidates, compared) !== null;
  return (
    <Dialog
      open={open}
      onClose={onClose}
      aria-labelledby="blind"
      maxWidth="md"
      fullWidth
      fullScreen={small}
      // The cards behind it say which one won.
      slotProps={{ backdrop: { sx: { bgcolor: "background.default" } } }}
    >
      <DialogTitle id="blind" variant="h2">
        Compare two, blind
      </DialogTitle>
      <DialogContent>
        {pair && sheet && picture ? (
          <BlindPair
            key={pair.join(" ")}
            runId={runId}
            version={version.version}
            pair={pair}
            sheet={sheet}
            picture={picture}
            onChosen={(chosen) => {
              setDone((had) => [...had, chosen.comparison]);
              onChosen(chosen);
            }}
            onAnother={more ? () => setPair(nextPair(candidates, compared)) : null}
          />
        ) : (
          "All pairs are compared."
        )}
      </DialogContent>
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
      </DialogActions>
    </Dialog>
  );
}
