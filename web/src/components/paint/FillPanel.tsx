import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Divider from "@mui/material/Divider";
import Stack from "@mui/material/Stack";
import ToggleButton from "@mui/material/ToggleButton";
import ToggleButtonGroup from "@mui/material/ToggleButtonGroup";
import Typography from "@mui/material/Typography";
import { Eraser, Layers, Scissors, Shield, Sparkles } from "lucide-react";
import type { Run, Studio } from "../../api/types";
import { type Label, PROTECT, REMOVE } from "../../mask/labels";
import type { Painting } from "../../mask/painting";
import { type Choices, choicesProblem } from "../../state/choices";
import type { Photo } from "../../state/photo";
import type { Work } from "../../state/useWork";
import { percent } from "../../words/report";
import { BaseSelect } from "../BaseSelect";
import { PhotoButton } from "../PhotoButton";
import { FindWords } from "./FindWords";
import { MaskButtons } from "./MaskButtons";
import { MoreOptions } from "./MoreOptions";
import { SubjectButtons } from "./SubjectButtons";

interface Props {
  studio: Studio;
  run: Run | null;
  work: Work & { photo: Photo; painting: Painting };
  choices: Choices;
  onChoices: (choices: Choices) => void;
  busy: boolean;
  problem: string | null;
  maxBytes: number;
  label: Label;
  onLabel: (label: Label) => void;
  onNumbers: () => void;
  onFill: () => void;
  onSearch: () => void;
  onCutOut: () => void;
  onRefine: () => void;
}

/** What is marked, and what is done about it. */
export function FillPanel(props: Props) {
  const { studio, run, work, choices, onChoices, busy, problem, label, onLabel } = props;
  const { photo, painting, base } = work;
  const seen = run ? { run: run.runId, version: base } : { photo: photo.file! };
  const nothing = painting.count(REMOVE) === 0;
  const wrong = choicesProblem(choices);
  return (
    <Stack spacing={2.5}>
      <Box>
        <Typography variant="h2" component="h1" gutterBottom>
          What should go?
        </Typography>
        <Typography variant="body2" color="textSecondary">
          Paint over it, roughly, and a little beyond its edges.
        </Typography>
      </Box>
      {run && <BaseSelect label="Painting on" run={run} base={base} onBase={work.setBase} />}
      <ToggleButtonGroup
        exclusive
        fullWidth
        size="small"
        color="primary"
        value={label}
        aria-label="What the tools mark"
        onChange={(_, next: Label | null) => next !== null && onLabel(next)}
      >
        <ToggleButton value={REMOVE} sx={{ gap: 1 }}>
          <Eraser size={17} aria-hidden /> Remove
        </ToggleButton>
        <ToggleButton value={PROTECT} sx={{ gap: 1 }}>
          <Shield size={17} aria-hidden /> Protect
        </ToggleButton>
      </ToggleButtonGroup>
      <SubjectButtons ability={studio.can.cutout} seen={seen} photo={photo} painting={painting} />
      <FindWords ability={studio.can.findMasks} seen={seen} painting={painting} label={label} />
      <MaskButtons
        painting={painting}
        label={label}
        name={photo.name}
        onNumbers={props.onNumbers}
      />
      <MoreOptions
        choices={choices}
        onChoices={onChoices}
        region={studio.can.region}
        search={studio.can.search}
      />
      <Divider />
      <Typography variant="body2" role="status" color="textSecondary">
        {nothing ? "Nothing is marked yet." : `To remove: ${percent(painting.share(REMOVE))}`}
        {painting.count(PROTECT) > 0 && `; protected: ${percent(painting.share(PROTECT))}`}
      </Typography>
      {(problem || wrong) && (
        <Alert severity={problem ? "error" : "warning"}>{problem ?? wrong}</Alert>
      )}
      <Button
        variant="contained"
        size="large"
        startIcon={<Eraser size={20} />}
        disabled={nothing || busy || !!wrong}
        onClick={props.onFill}
      >
        {busy ? "Sending…" : "Remove it"}
      </Button>
      <Button
        variant="outlined"
        startIcon={<Layers size={18} />}
        disabled={nothing || busy || !!wrong || !studio.can.search.available}
        onClick={props.onSearch}
      >
        Try several
      </Button>
      <Stack spacing={0.5} sx={{ alignItems: "start" }}>
        <Button
          startIcon={<Scissors size={17} />}
          disabled={busy || !studio.can.cutout.available}
          onClick={props.onCutOut}
        >
          Cut the pet out
        </Button>
        <Button startIcon={<Sparkles size={17} />} disabled={busy} onClick={props.onRefine}>
          Refine image
        </Button>
        <PhotoButton
          name="Another photo"
          size="medium"
          maxBytes={props.maxBytes}
          onPhoto={(file) => void work.choose(file)}
        />
      </Stack>
    </Stack>
  );
}
