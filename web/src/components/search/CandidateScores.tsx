import Box from "@mui/material/Box";
import Typography from "@mui/material/Typography";
import type { CSSProperties } from "react";
import type { Candidate } from "../../api/types";
import { axisName } from "../../words/candidates";

const BEST = 10;
const TOGETHER = "Together";

/** Scores as bars, each with its number; what no judge scored is not there. */
export function CandidateScores({ candidate }: { candidate: Candidate }) {
  const { scores, potential } = candidate;
  const all = [
    ...Object.entries(scores).map(([axis, score]) => [axisName(axis), score] as const),
    ...(potential === null ? [] : [[TOGETHER, potential] as const]),
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
        <Box
          key={name}
          style={shareOf(score)}
          sx={{
            display: "grid",
            gridTemplateColumns: "1fr auto",
            gap: 0.25,
            fontSize: 13,
            "& + &": { mt: 0.5 },
            // The bar: how much of ten it is.
            "&::after": {
              content: '""',
              gridColumn: "1 / -1",
              height: 5,
              borderRadius: 3,
              background: `linear-gradient(to right, ${colour(name)} var(--share), var(--mui-palette-divider) var(--share))`,
            },
          }}
        >
          <Box component="dt" sx={{ color: "text.secondary" }}>
            {name}
          </Box>
          <Box component="dd" sx={{ m: 0, fontWeight: 600, fontVariantNumeric: "tabular-nums" }}>
            {score.toFixed(1)}
          </Box>
        </Box>
      ))}
    </Box>
  );
}

function colour(name: string): string {
  return `var(--mui-palette-${name === TOGETHER ? "primary" : "secondary"}-main)`;
}

function shareOf(score: number): CSSProperties {
  const share = Math.min(Math.max(score, 0), BEST) / BEST;
  return { "--share": `${share * 100}%` } as CSSProperties;
}
