import Alert from "@mui/material/Alert";
import FormControlLabel from "@mui/material/FormControlLabel";
import Switch from "@mui/material/Switch";
import type { Ability } from "../../api/types";

interface Props {
  ability: Ability;
  remote: boolean;
  onRemote: (remote: boolean) => void;
}

/** Asks before a picture leaves the server; nothing where it does not. */
export function RemoteConsent({ ability, remote, onRemote }: Props) {
  if (!ability.available || !ability.remote) return null;
  return (
    <Alert severity="warning" icon={false}>
      This is done by another company's engine.
      <FormControlLabel
        sx={{ display: "flex", mt: 0.5 }}
        control={<Switch checked={remote} onChange={(_, next) => onRemote(next)} />}
        label="My picture may be sent there"
      />
    </Alert>
  );
}
