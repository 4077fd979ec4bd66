import Box from "@mui/material/Box";
import Rating from "@mui/material/Rating";
import Typography from "@mui/material/Typography";
import { useState } from "react";
import { rate } from "../../api/client";
import type { Run, Version } from "../../api/types";
import { useNotice } from "../NoticeProvider";

const MEANS = ["", "of no use", "poor", "fair", "good", "perfect"];

interface Props {
  run: Run;
  version: Version;
  onRun: (run: Run) => void;
}

/** One to five stars. */
export function VersionRating({ run, version, onRun }: Props) {
  const [busy, setBusy] = useState(false);
  const say = useNotice();
  const rating = version.feedback?.rating ?? null;
  const give = async (next: number) => {
    setBusy(true);
    try {
      onRun(await rate(run.runId, version.version, { rating: next }));
      say("Thank you.");
    } catch (error) {
      say((error as Error).message, "error");
    } finally {
      setBusy(false);
    }
  };
  const name = `rating-${version.version}`;
  return (
    <Box>
      <Typography variant="h3" component="h4" id={name} gutterBottom>
        How good is it?
      </Typography>
      <Box sx={{ display: "flex", alignItems: "center", gap: 1 }}>
        <Rating
          name={name}
          value={rating}
          disabled={busy}
          getLabelText={(stars) => `${stars} of 5, ${MEANS[stars]}`}
          onChange={(_, next) => next !== null && void give(next)}
          sx={{ color: "primary.main" }}
        />
        <Typography variant="body2" color="textSecondary">
          {rating ? MEANS[rating] : "not rated"}
        </Typography>
      </Box>
    </Box>
  );
}
