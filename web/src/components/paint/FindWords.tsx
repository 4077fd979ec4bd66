import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import TextField from "@mui/material/TextField";
import Typography from "@mui/material/Typography";
import { useState } from "react";
import { findMasks, type Seen } from "../../api/client";
import type { Ability } from "../../api/types";
import { foundMask } from "../../mask/found";
import type { Label } from "../../mask/labels";
import type { Painting } from "../../mask/painting";
import { plain } from "../../words/plain";
import { percent } from "../../words/report";

interface Props {
  ability: Ability;
  seen: Seen;
  painting: Painting;
  label: Label;
}

/** Marks what words name, where the server can find it. */
export function FindWords({ ability, seen, painting, label }: Props) {
  const [words, setWords] = useState("");
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<string | null>(null);
  const phrases = words
    .split(",")
    .map((one) => one.trim())
    .filter(Boolean);
  const find = async () => {
    setBusy(true);
    setTold(null);
    try {
      const found = await findMasks(seen, phrases);
      for (const one of found) {
        painting.mark(await foundMask(one, painting.width, painting.height), label);
      }
      setTold(found.map((one) => `${one.phrase ?? "Found"}: ${percent(one.share)}`).join("; "));
    } catch (error) {
      setTold((error as Error).message);
    } finally {
      setBusy(false);
    }
  };
  if (!ability.available) {
    return (
      <Typography variant="body2" color="textSecondary">
        This server cannot find things by words: {plain(ability.why ?? "no network for it")}
      </Typography>
    );
  }
  return (
    <Box
      component="form"
      onSubmit={(event) => {
        event.preventDefault();
        if (phrases.length) void find();
      }}
    >
      <Box sx={{ display: "flex", gap: 1 }}>
        <TextField
          fullWidth
          label="Find by words"
          placeholder="leash, hand"
          value={words}
          onChange={(event) => setWords(event.target.value)}
        />
        <Button type="submit" variant="outlined" disabled={!phrases.length || busy}>
          Find
        </Button>
      </Box>
      <Typography variant="body2" role="status" color="textSecondary">
        {busy ? "Looking for it…" : told}
      </Typography>
    </Box>
  );
}
