import MenuItem from "@mui/material/MenuItem";
import TextField from "@mui/material/TextField";
import type { Run } from "../api/types";
import { isBase, title } from "../words/versions";

interface Props {
  label: string;
  run: Run;
  base: number;
  onBase: (base: number) => void;
}

/** Which version comes next's turn: the photo, or any that is finished. */
export function BaseSelect({ label, run, base, onBase }: Props) {
  return (
    <TextField
      select
      fullWidth
      label={label}
      value={base}
      onChange={(event) => onBase(Number(event.target.value))}
    >
      <MenuItem value={0}>Original photo</MenuItem>
      {run.versions.filter(isBase).map((one) => (
        <MenuItem key={one.version} value={one.version}>
          {`v${one.version} — ${title(one)}`}
        </MenuItem>
      ))}
    </TextField>
  );
}
