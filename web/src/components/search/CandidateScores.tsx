import Box from "@mui/material/Box";
import Typography from "@mui/material/Typography";
import type { Candidate } from "../../api/types";
import { axisName } from "../../words/candidates";

const BEST = 10;

/** Scores as bars, each with its number; what no judge scored is not there. */
export function CandidateScores({ candidate }: { candidate: Candidate }) {
  const { scores, potential } = candidate;
  const all = [
    ...Object.entries(scores).map(([axis, score]) => [axisName(axis), score] as const),
    ...(potential === null ? [] : [["Together", potential] as const]),
  ];
  if (!all.length) {
    return (
      <Typography variant="body2" color="textSecondary">
        Nobody could judge it.
      </Typography>
    );
  }
  return (
    <Box component="dl" sx={{ m: 0 }}>
      {all.map(([name, score]) => (
        <Box key={name} sx={{ "& + &": { mt: 0.5 } }}>
          <Box sx={{ display: "flex", justifyContent: "space-between", gap: 1, fontSize: 13 }}>
            <Box component="dt" sx={{ color: "text.secondary" }}>
              {name}
            </Box>
            <Box component="dd" sx={{ m: 0, fontWeight: 600, fontVariantNumeric: "tabular-nums" }}>
              {score.toFixed(1)}
            </Box>
          </Box>
          <Box
            component="dd"
            aria-hidden
            sx={{ m: 0, height: 5, borderRadius: 3, bgcolor: "divider", overflow: "hidden" }}
          >
            <Box
              style={{ width: `${(Math.min(Math.max(score, 0), BEST) / BEST) * 100}%` }}
              sx={{ height: 1, bgcolor: name === "Together" ? "primary.main" : "secondary.main" }}
            />
          </Box>
        </Box>
      ))}
    </Box>
  );
}
