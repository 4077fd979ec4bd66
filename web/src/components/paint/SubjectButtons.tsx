import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Typography from "@mui/material/Typography";
import { PawPrint, Shield } from "lucide-react";
import { useRef, useState } from "react";
import { findMasks, type Seen } from "../../api/client";
import type { Ability } from "../../api/types";
import { foundMask } from "../../mask/found";
import { PROTECT, REMOVE } from "../../mask/labels";
import type { Painting } from "../../mask/painting";
import type { Photo } from "../../state/photo";
import { plain } from "../../words/plain";
import { useNotice } from "../NoticeProvider";

interface Props {
  ability: Ability;
  seen: Seen;
  photo: Photo;
  painting: Painting;
}

/** The pet in one click: as what stays, or as what goes. */
export function SubjectButtons({ ability, seen, photo, painting }: Props) {
  const [busy, setBusy] = useState(false);
  // The same photo has the same pet: it is looked for once.
  const known = useRef<{ photo: Photo; mask: Uint8Array; score: number } | null>(null);
  const say = useNotice();
  const mark = async (label: number) => {
    setBusy(true);
    try {
      if (known.current?.photo !== photo) {
        const [first] = await findMasks(seen, "subject");
        if (!first) return say("No pet was found in this photo.", "warning");
        known.current = {
          photo,
          mask: await foundMask(first, photo.width, photo.height),
          score: first.score,
        };
      }
      // What somebody has marked goes, even where the network takes it for the pet.
      const under = label === PROTECT ? REMOVE : undefined;
      painting.mark(known.current.mask, label, true, under);
      say(label === PROTECT ? "The pet is protected." : "The pet is marked, to be removed.");
    } catch (error) {
      say((error as Error).message, "error");
    } finally {
      setBusy(false);
    }
  };
  const disabled = busy || !ability.available;
  return (
    <Box role="group" aria-label="The pet">
      <Box sx={{ display: "grid", gridTemplateColumns: "1fr 1fr", gap: 1 }}>
        <Button
          variant="outlined"
          color="secondary"
          disabled={disabled}
          startIcon={<Shield size={17} />}
          onClick={() => void mark(PROTECT)}
        >
          Protect pet
        </Button>
        <Button
          variant="outlined"
          disabled={disabled}
          startIcon={<PawPrint size={17} />}
          onClick={() => void mark(REMOVE)}
        >
          Mark pet
        </Button>
      </Box>
      {busy && (
        <Typography variant="body2" role="status" color="textSecondary" sx={{ mt: 1 }}>
          Looking for the pet…
        </Typography>
      )}
      {!ability.available && (
        <Typography variant="body2" color="textSecondary" sx={{ mt: 1 }}>
          This server cannot find the pet by itself: {plain(ability.why ?? "no network for it")}
        </Typography>
      )}
    </Box>
  );
}
