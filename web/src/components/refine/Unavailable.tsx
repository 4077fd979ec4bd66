import Alert from "@mui/material/Alert";
import AlertTitle from "@mui/material/AlertTitle";
import type { Ability } from "../../api/types";
import { plain } from "../../words/plain";

/** What the server cannot do, said before anybody fills a form in. */
export function Unavailable({ ability }: { ability: Ability }) {
  return (
    <Alert severity="info" sx={{ mb: 2 }}>
      <AlertTitle>This server cannot do that yet</AlertTitle>
      {ability.why ? plain(ability.why) : "It has no network for it."}
    </Alert>
  );
}
