import Button from "@mui/material/Button";
import Typography from "@mui/material/Typography";
import { Sparkles } from "lucide-react";
import type { Order } from "../../api/payloads";
import type { Ability } from "../../api/types";

interface Props {
  name: string;
  order: Order;
  ability: Ability;
  busy: boolean;
  /** It goes to another machine, which nobody has agreed to. */
  unasked?: boolean;
  onSend: () => void;
}

/** Sends a repair, or says what it lacks. */
export function SendButton({ name, order, ability, busy, unasked = false, onSend }: Props) {
  const lacks = !ability.available
    ? null
    : (order.problem ?? (unasked ? "Say first that the picture may be sent." : null));
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
