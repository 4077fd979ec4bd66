import Stack from "@mui/material/Stack";
import TextField from "@mui/material/TextField";
import Typography from "@mui/material/Typography";
import { useState } from "react";
import { generalOrder } from "../../api/payloads";
import type { Ability } from "../../api/types";
import type { RepairProps } from "./RefineDrawer";
import { RemoteConsent } from "./RemoteConsent";
import { SendButton } from "./SendButton";

interface Props extends RepairProps {
  ability: Ability;
  remote: boolean;
  onRemote: (remote: boolean) => void;
}

/** One field: what is to change in the picture as a whole. */
export function GeneralTab(props: Props) {
  const { base, creativity, ability, busy, send, remote, onRemote } = props;
  const [prompt, setPrompt] = useState("");
  const order = generalOrder({ base, creativity, parameters: {} }, prompt);
  return (
    <Stack spacing={2}>
      <Typography color="textSecondary">Say in your own words what should be different.</Typography>
      <TextField
        label="What to change"
        placeholder="softer evening light"
        multiline
        minRows={3}
        value={prompt}
        onChange={(event) => setPrompt(event.target.value)}
      />
      <RemoteConsent ability={ability} remote={remote} onRemote={onRemote} />
      <SendButton
        name="Change it"
        order={order}
        ability={ability}
        busy={busy}
        unasked={!!ability.remote && !remote}
        onSend={() => send(order)}
      />
    </Stack>
  );
}
