import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Stack from "@mui/material/Stack";
import TextField from "@mui/material/TextField";
import Typography from "@mui/material/Typography";
import { type FormEvent, useState } from "react";
import { ApiError, deleteUser } from "../../api/client";
import { clearDrafts } from "../../state/drafts";
import { tellAllGone } from "../../state/useRun";
import { deletionProblem } from "../../words/data";

// What has to be typed: nobody does that by mistake.
const WORD = "delete";
const GOES = [
  "all photos, versions, cut-outs and reference pictures",
  "masks, prompts, settings, reports and audits",
  "ratings, comments and comparisons",
  "jobs that wait or run: they are cancelled",
  "records of consent to swaps, and what quotas count",
  "masks that you have begun in this browser",
];

interface Props {
  user: string;
  /** While it is under way nothing else can be done here. */
  busy: boolean;
  onBusy: (busy: boolean) => void;
  onKeep: () => void;
  onSignedOut: () => void;
  onDeleted: (counts: Record<string, number>) => void;
}

/** Says what goes, has a word typed, and deletes everything. */
export function DeleteForm({ user, busy, onBusy, onKeep, onSignedOut, onDeleted }: Props) {
  const [typed, setTyped] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const sure = typed.trim().toLowerCase() === WORD;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!sure || busy) return;
    onBusy(true);
    setProblem(null);
    try {
      const { deleted } = await deleteUser(user);
      await clearDrafts();
      tellAllGone();
      onDeleted(deleted);
    } catch (error) {
      setProblem(deletionProblem(error as Error));
      if (error instanceof ApiError && error.status === 401) onSignedOut();
    } finally {
      onBusy(false);
    }
  };
  return (
    <Stack component="form" spacing={2} onSubmit={(event) => void submit(event)}>
      <div>
        <Typography id="goes">What is deleted, for good:</Typography>
        <Box component="ul" id="goes-all" sx={{ my: 1, pl: 3 }}>
          {GOES.map((words) => (
            <Typography key={words} component="li" variant="body2">
              {words}
            </Typography>
          ))}
        </Box>
        <Typography variant="body2" color="textSecondary">
          The operator's logs, which hold no pictures, and backups, if there are any, are not
          reached.
        </Typography>
      </div>
      <Alert severity="warning" id="no-way-back">
        This cannot be undone. If you want a copy, download it first.
      </Alert>
      <TextField
        label={`Type ${WORD} to go on`}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        autoFocus
        autoComplete="off"
        slotProps={{
          htmlInput: {
            readOnly: busy,
            autoCapitalize: "none",
            spellCheck: false,
            "aria-describedby": "goes goes-all no-way-back",
          },
        }}
      />
      {problem && <Alert severity="error">{problem}</Alert>}
      <Box sx={{ display: "flex", flexWrap: "wrap", gap: 1, justifyContent: "end" }}>
        <Button onClick={onKeep} disabled={busy}>
          Keep everything
        </Button>
        <Button type="submit" variant="contained" color="error" disabled={!sure || busy}>
          {busy ? "Deleting…" : "Delete for good"}
        </Button>
      </Box>
    </Stack>
  );
}
