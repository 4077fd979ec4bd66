import Button from "@mui/material/Button";
import Typography from "@mui/material/Typography";
import { Sparkles } from "lucide-react";
import type { Ability } from "../../api/types";

interface Props {
  name: string;
  /** What is sent, or why it cannot be. */
  order: { request?: unknown; problem?: string | null };
  ability: Ability;
  busy: boolean;
  /** Nobody has agreed to it, such as to send it to another machine. */
  unasked?: boolean;
  /** What is to be agreed to. */
  ask?: string;
  onSend: () => void;
}

/** Sends a repair, or says what it lacks. */
export function SendButton(props: Props) {
  const { name, order, ability, busy, unasked = false, onSend } = props;
  const ask = props.ask ?? "Say first that the picture may be sent.";
  const lacks = !ability.available ? null : (order.problem ?? (unasked ? ask : null));
  return (
    <>
      {lacks && (
        <Typography variant="body2" color="textSecondary" role="status">
          {lacks}
        </Typography>
      )}
      <Button
        variant="contained"
        size="large"
        startIcon={<Sparkles size={19} />}
        disabled={busy || !ability.available || !order.request || unasked}
        onClick={onSend}
        sx={{ alignSelf: "start" }}
      >
        {busy ? "Sending…" : name}
      </Button>
    </>
  );
}
