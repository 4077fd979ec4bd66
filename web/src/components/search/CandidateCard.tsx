import Box from "@mui/material/Box";
import Paper from "@mui/material/Paper";
import Stack from "@mui/material/Stack";
import Typography from "@mui/material/Typography";
import { Star } from "lucide-react";
import type { Candidate, Sheet } from "../../api/types";
import { candidateName, phaseWords } from "../../words/candidates";
import { CandidatePicture } from "./CandidatePicture";
import { CandidateScores } from "./CandidateScores";

interface Props {
  candidate: Candidate;
  sheet: Sheet | null;
  picture: string | null;
  best: boolean;
}

/** One candidate: how it looks round the hole, where it comes from, how it was judged. */
export function CandidateCard({ candidate, sheet, picture, best }: Props) {
  const { number, error, aboveFloor, keepsIdentity = true } = candidate;
  return (
    <Paper
      variant="outlined"
      sx={{
        p: 1.25,
        height: 1,
        borderRadius: "16px",
        // The winner has a frame of its own: colour says nothing alone.
        ...(best && {
          borderColor: "primary.main",
          boxShadow: "inset 0 0 0 2px var(--mui-palette-primary-main)",
        }),
      }}
    >
      <Stack spacing={1}>
        {error === null && sheet && picture ? (
          <CandidatePicture
            number={number}
            name={candidateName(candidate, best)}
            sheet={sheet}
            picture={picture}
          />
        ) : (
          <Box
            style={{ aspectRatio: sheet?.ratio ?? 1 }}
            sx={{
              display: "grid",
              placeItems: "center",
              p: 1,
              borderRadius: "10px",
              bgcolor: "var(--stage)",
              fontSize: 13,
              textAlign: "center",
            }}
          >
            {error === null ? "Coming" : "Did not work"}
          </Box>
        )}
        <Box>
          <Box sx={{ display: "flex", alignItems: "center", gap: 1, flexWrap: "wrap" }}>
            <Typography sx={{ fontWeight: 650, mr: "auto" }}>Number {number}</Typography>
            {best && (
              <Box
                sx={{
                  display: "flex",
                  alignItems: "center",
                  gap: 0.5,
                  px: 1,
                  borderRadius: 99,
                  fontSize: 13,
                  fontWeight: 650,
                  bgcolor: "primary.main",
                  color: "primary.contrastText",
                }}
              >
                <Star size={13} fill="currentColor" aria-hidden /> Best
              </Box>
            )}
          </Box>
          <Typography variant="body2" color="textSecondary">
            {phaseWords(candidate)}
          </Typography>
        </Box>
        {error === null ? (
          <CandidateScores candidate={candidate} />
        ) : (
          <Typography variant="body2" sx={{ overflowWrap: "anywhere" }}>
            {error}
          </Typography>
        )}
        {error === null && !keepsIdentity && (
          <Typography variant="body2" color="textSecondary">
            It is too little like the character to win.
          </Typography>
        )}
        {error === null && !aboveFloor && (
          <Typography variant="body2" color="textSecondary">
            It fits in too little to win.
          </Typography>
        )}
      </Stack>
    </Paper>
  );
}
