import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import MenuItem from "@mui/material/MenuItem";
import TextField from "@mui/material/TextField";
import ToggleButton from "@mui/material/ToggleButton";
import ToggleButtonGroup from "@mui/material/ToggleButtonGroup";
import useMediaQuery from "@mui/material/useMediaQuery";
import { useEffect, useState } from "react";
import { photoUrl } from "../../api/client";
import type { Run } from "../../api/types";
import { useZoom } from "../../state/useZoom";
import { shownUrl, title, versionName } from "../../words/versions";
import { CompareSlider } from "./CompareSlider";
import { ZoomButtons } from "./ZoomButtons";
import { ZoomPane } from "./ZoomPane";

interface Props {
  run: Run;
  /** The version that comparing begins with; null: closed. */
  first: number | null;
  onClose: () => void;
}

/** Any two of a run's pictures, zoomed in step. */
export function CompareDialog({ run, first, onClose }: Props) {
  const [pair, setPair] = useState<[number, number]>([0, 0]);
  const [over, setOver] = useState(false);
  const small = useMediaQuery("(max-width: 700px)");
  const hand = useZoom();
  const pictures = [
    { version: 0, url: photoUrl(run.runId), name: "Original photo", transparent: false },
    ...run.versions
      .filter((one) => one.processingStatus === "completed" && one.imageUrl)
      .map((one) => ({
        version: one.version,
        url: shownUrl(one)!,
        name: `v${one.version} — ${title(one)}`,
        transparent: one.kind === "cutout",
      })),
  ];
  const { whole } = hand;
  // biome-ignore lint/correctness/useExhaustiveDependencies: it begins anew each time it opens.
  useEffect(() => {
    if (first === null) return;
    const before = run.versions.find((one) => one.version === first)?.parent ?? 0;
    const there = run.versions.some((one) => one.version === before && one.imageUrl);
    setPair([there ? before : 0, first]);
    whole();
  }, [first]);
  const shown = pair.map((version) => pictures.find((one) => one.version === version));
  const [a, b] = shown;
  return (
    <Dialog
      open={first !== null}
      onClose={onClose}
      aria-labelledby="compare"
      maxWidth="xl"
      fullWidth
      fullScreen={small}
    >
      <DialogTitle id="compare" variant="h2">
        Compare two
      </DialogTitle>
      <DialogContent>
        <Box sx={{ display: "flex", flexWrap: "wrap", gap: 1.5, py: 1.5, alignItems: "center" }}>
          {(["First picture", "Second picture"] as const).map((name, index) => (
            <TextField
              key={name}
              select
              label={name}
              value={pair[index]}
              onChange={(event) => {
                const next: [number, number] = [...pair];
                next[index] = Number(event.target.value);
                setPair(next);
              }}
              sx={{ minWidth: 190, flex: "1 1 190px", maxWidth: 320 }}
            >
              {pictures.map((one) => (
                <MenuItem key={one.version} value={one.version}>
                  {one.name}
                </MenuItem>
              ))}
            </TextField>
          ))}
          <ToggleButtonGroup
            exclusive
            size="small"
            value={over}
            aria-label="How they are shown"
            onChange={(_, next: boolean | null) => next !== null && setOver(next)}
          >
            <ToggleButton value={false}>Side by side</ToggleButton>
            <ToggleButton value={true}>One over the other</ToggleButton>
          </ToggleButtonGroup>
          <Box sx={{ ml: "auto" }}>
            <ZoomButtons hand={hand} />
          </Box>
        </Box>
        {a && b && over && (
          <CompareSlider
            hand={hand}
            before={a.url}
            after={b.url}
            beforeName={versionName(a.version)}
            afterName={versionName(b.version)}
            transparent={b.transparent}
          />
        )}
        {a && b && !over && (
          <Box
            sx={{ display: "grid", gap: 1.5, gridTemplateColumns: { xs: "1fr", md: "1fr 1fr" } }}
          >
            {[a, b].map((one, index) => (
              <ZoomPane
                key={index}
                src={one.url}
                name={one.name}
                transparent={one.transparent}
                hand={hand}
              />
            ))}
          </Box>
        )}
      </DialogContent>
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
      </DialogActions>
    </Dialog>
  );
}
