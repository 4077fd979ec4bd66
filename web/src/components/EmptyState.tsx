import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Stack from "@mui/material/Stack";
import Typography from "@mui/material/Typography";
import { Eraser, Sparkles, Type } from "lucide-react";
import type { Studio } from "../api/types";
import example from "../assets/example.jpg";
import { ExampleButton } from "./ExampleButton";
import { PhotoButton } from "./PhotoButton";

const CAN = [
  [
    Eraser,
    "Take things out",
    "Paint over a hand, a leash, a toy. It is filled as if nobody had been there.",
  ],
  [Sparkles, "The pet stays", "One click marks it, so that no whisker is touched."],
  [
    Type,
    "Mend and go on",
    "Correct text, repaint regions, compare versions, go back to any of them.",
  ],
] as const;

interface Props {
  onPhoto: (file: File) => void;
  problem: string | null;
  studio: Studio;
}

/** What is there before there is a photo. */
export function EmptyState({ onPhoto, problem, studio }: Props) {
  return (
    <Stack spacing={{ xs: 5, md: 8 }} sx={{ pt: { xs: 2, md: 5 } }}>
      <Box
        sx={{
          display: "grid",
          gridTemplateColumns: { xs: "1fr", md: "1.02fr 1fr" },
          gap: { xs: 4, md: 8 },
          alignItems: "center",
        }}
      >
        <Stack spacing={3} sx={{ alignItems: "start" }}>
          <Typography variant="h1">Take anything out of the picture but your pet.</Typography>
          <Typography color="textSecondary" sx={{ fontSize: "1.12rem", maxWidth: "34em" }}>
            Choose a photo, paint over what does not belong there, and look at it as it should have
            been. Every try is kept beside the others.
          </Typography>
          {problem && <Alert severity="error">{problem}</Alert>}
          <Box sx={{ display: "flex", gap: 1.5, flexWrap: "wrap" }}>
            <PhotoButton
              name="Choose a photo"
              variant="contained"
              maxBytes={studio.limits.maxBytes}
              onPhoto={onPhoto}
            />
            <ExampleButton onPhoto={onPhoto} />
          </Box>
          <Typography variant="body2" color="textSecondary">
            Or drop one anywhere on this page, or paste it. JPEG, PNG, WebP, HEIC, TIFF, AVIF; up to{" "}
            {Math.round(studio.limits.maxPixels / 1e6)} megapixels.
          </Typography>
        </Stack>
        <Box
          component="img"
          src={example}
          width={1200}
          height={900}
          alt="A sandy dog on a lawn with autumn leaves; in front of it a hand with a leash handle"
          sx={{
            width: 1,
            height: "auto",
            borderRadius: "26px",
            boxShadow: "0 24px 60px -24px rgb(70 40 20 / 45%)",
          }}
        />
      </Box>
      <Box
        component="ul"
        sx={{
          display: "grid",
          gridTemplateColumns: { xs: "1fr", sm: "repeat(3, 1fr)" },
          gap: { xs: 3, md: 6 },
          listStyle: "none",
          p: 0,
          m: 0,
        }}
      >
        {CAN.map(([Icon, what, how]) => (
          <Stack component="li" key={what} spacing={0.75}>
            <Box sx={{ color: "primary.main" }}>
              <Icon size={26} aria-hidden />
            </Box>
            <Typography variant="h3" component="h2">
              {what}
            </Typography>
            <Typography color="textSecondary">{how}</Typography>
          </Stack>
        ))}
      </Box>
    </Stack>
  );
}
