import Accordion from "@mui/material/Accordion";
import AccordionDetails from "@mui/material/AccordionDetails";
import AccordionSummary from "@mui/material/AccordionSummary";
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import FormControlLabel from "@mui/material/FormControlLabel";
import MenuItem from "@mui/material/MenuItem";
import Stack from "@mui/material/Stack";
import Switch from "@mui/material/Switch";
import TextField from "@mui/material/TextField";
import Typography from "@mui/material/Typography";
import { ChevronDown, Dices } from "lucide-react";
import type { Ability } from "../../api/types";
import { anotherSeed, type Choices } from "../../state/choices";
import { SearchOptions } from "./SearchOptions";

const ENGINES = [
  ["auto", "The best there is"],
  ["patch", "Pieces of the photo"],
  ["lama", "LaMa"],
  ["flux", "FLUX.1-Fill"],
  ["klein", "FLUX.2 [klein]"],
  ["edit", "Qwen-Image-Edit"],
] as const;

interface Props {
  choices: Choices;
  onChoices: (choices: Choices) => void;
  /** What fills here. */
  region: Ability;
  search: Ability;
}

/** What most people leave to the server. */
export function MoreOptions({ choices, onChoices, region, search }: Props) {
  const engines = region.engines ?? [];
  const hears = region.available && !region.ignoresPrompt;
  const lacking = (engine: string) =>
    engine !== "auto" && engines.length > 0 && !engines.includes(engine);
  const set = (some: Partial<Choices>) => onChoices({ ...choices, ...some });
  return (
    <Accordion
      disableGutters
      elevation={0}
      slotProps={{ heading: { component: "h2" } }}
      sx={{ bgcolor: "transparent", "&::before": { display: "none" } }}
    >
      <AccordionSummary expandIcon={<ChevronDown size={18} />} sx={{ px: 0, minHeight: 40 }}>
        <Typography component="span" sx={{ fontWeight: 600 }}>
          More
        </Typography>
      </AccordionSummary>
      <AccordionDetails sx={{ px: 0 }}>
        <Stack spacing={2}>
          {hears && (
            <TextField
              fullWidth
              label="What should be there"
              placeholder="left to the server"
              value={choices.prompt}
              onChange={(event) => set({ prompt: event.target.value })}
            />
          )}
          <Box sx={{ display: "flex", gap: 1 }}>
            <TextField
              fullWidth
              label="Seed"
              inputMode="numeric"
              placeholder="0"
              value={choices.seed}
              onChange={(event) => set({ seed: event.target.value.trim() })}
              helperText="The same seed makes the same picture."
            />
            <Button
              aria-label="Another seed"
              onClick={() => set({ seed: String(anotherSeed()) })}
              sx={{ alignSelf: "start", minWidth: 0, px: 1.5, height: 40 }}
            >
              <Dices size={20} aria-hidden />
            </Button>
          </Box>
          <TextField
            select
            fullWidth
            label="Filled with"
            value={choices.engine}
            onChange={(event) => set({ engine: event.target.value as Choices["engine"] })}
          >
            {ENGINES.map(([engine, name]) => (
              <MenuItem key={engine} value={engine} disabled={lacking(engine)}>
                {lacking(engine) ? `${name}, not on this server` : name}
              </MenuItem>
            ))}
          </TextField>
          <TextField
            fullWidth
            label="Deadline, seconds"
            inputMode="decimal"
            placeholder="the server's own"
            value={choices.deadlineS}
            onChange={(event) => set({ deadlineS: event.target.value.trim() })}
          />
          <FormControlLabel
            control={
              <Switch checked={choices.sparePet} onChange={(_, sparePet) => set({ sparePet })} />
            }
            label="Spare the pet where nothing is protected"
          />
          <SearchOptions ability={search} choices={choices} onChoices={set} />
        </Stack>
      </AccordionDetails>
    </Accordion>
  );
}
