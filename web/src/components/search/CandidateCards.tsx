import Box from "@mui/material/Box";
import type { Candidate } from "../../api/types";
import { families, type Search } from "../../state/candidates";
import { CandidateCard } from "./CandidateCard";

const GRID = {
  display: "grid",
  gridTemplateColumns: {
    xs: "repeat(2, minmax(0, 1fr))",
    sm: "repeat(auto-fill, minmax(176px, 1fr))",
  },
  gap: 1.5,
  listStyle: "none",
  m: 0,
  p: 0,
} as const;

/** All candidates of a search, children beside their parent. */
export function CandidateCards({ candidates, sheet, picture, drawn, best }: Search) {
  const card = (one: Candidate) => (
    <CandidateCard
      candidate={one}
      sheet={sheet}
      picture={drawn && !drawn.includes(one.number) ? null : picture}
      best={one.number === best}
    />
  );
  return (
    <Box component="ol" aria-label="Candidates" sx={GRID}>
      {families(candidates).map(({ parent, children }) =>
        children.length ? (
          <Box
            component="li"
            key={parent.number}
            sx={{
              gridColumn: "1 / -1",
              borderLeft: "4px solid",
              borderColor: "secondary.main",
              pl: 1.5,
            }}
          >
            <Box
              component="ol"
              aria-label={`Number ${parent.number} and what started from it`}
              sx={GRID}
            >
              {[parent, ...children].map((one) => (
                <li key={one.number}>{card(one)}</li>
              ))}
            </Box>
          </Box>
        ) : (
          <li key={parent.number}>{card(parent)}</li>
        ),
      )}
    </Box>
  );
}
