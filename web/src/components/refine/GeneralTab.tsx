import Stack from "@mui/material/Stack";
import TextField from "@mui/material/TextField";
import Typography from "@mui/material/Typography";
import { useState } from "react";
import { generalOrder } from "../../api/payloads";
import type { Ability } from "../../api/types";
import type { Photo } from "../../state/photo";
import { usePainting } from "../../state/usePainting";
import { PartBoard } from "./PartBoard";
import type { RepairProps } from "./RefineDrawer";
import { RemoteConsent } from "./RemoteConsent";
import { SendButton } from "./SendButton";
import { partMasks, partProblem, usePart } from "./usePart";

interface Props extends RepairProps {
  ability: Ability;
  photo: Photo | null;
  remote: boolean;
  onRemote: (remote: boolean) => void;
}

/** One field: what is to change in the picture, or in a part of it. */
export function GeneralTab(props: Props) {
  const { base, creativity, ability, photo, busy, send, remote, onRemote } = props;
  const [prompt, setPrompt] = useState("");
  const [part, setPart] = usePart(photo);
  usePainting(part.painting);
  const asked = generalOrder({ base, creativity, parameters: {} }, prompt);
  const problem = asked.problem ?? partProblem(part);
  const order = problem ? { problem } : asked;
  const submit = async () => send(order, await partMasks(part));
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
      {ability.available && <PartBoard photo={photo} part={part} onPart={setPart} />}
      <RemoteConsent ability={ability} remote={remote} onRemote={onRemote} />
      <SendButton
        name="Change it"
        order={order}
        ability={ability}
        busy={busy}
        unasked={!!ability.remote && !remote}
        onSend={() => void submit()}
      />
    </Stack>
  );
}
