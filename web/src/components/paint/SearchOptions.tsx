import FormControlLabel from "@mui/material/FormControlLabel";
import MenuItem from "@mui/material/MenuItem";
import Switch from "@mui/material/Switch";
import TextField from "@mui/material/TextField";
import type { Ability } from "../../api/types";
import type { Choices, Preset } from "../../state/choices";

const PRESETS: readonly (readonly [Preset, string])[] = [
  ["eacps", "8 tries"],
  ["photoreal", "20 tries; how real it looks counts most"],
];

interface Props {
  ability: Ability;
  choices: Choices;
  onChoices: (some: Partial<Choices>) => void;
}

/** What "Try several" tries, and who judges. */
export function SearchOptions({ ability, choices, onChoices }: Props) {
  if (!ability.available) return null;
  return (
    <>
      <TextField
        select
        fullWidth
        label="Try several"
        value={choices.preset}
        onChange={(event) => onChoices({ preset: event.target.value as Preset })}
      >
        {PRESETS.map(([preset, name]) => (
          <MenuItem key={preset} value={preset}>
            {name}
          </MenuItem>
        ))}
      </TextField>
      {ability.remoteJudges && (
        <FormControlLabel
          control={
            <Switch
              checked={choices.remoteJudges}
              onChange={(_, remoteJudges) => onChoices({ remoteJudges })}
            />
          }
          label="Other companies' judges may see my picture, this once"
        />
      )}
    </>
  );
}
