import Box from "@mui/material/Box";
import Stack from "@mui/material/Stack";
import Typography from "@mui/material/Typography";
import { X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { photoUrl, type SwapOrder } from "../../api/client";
import type { Ability, Run } from "../../api/types";
import type { Photo } from "../../state/photo";
import { usePainting } from "../../state/usePainting";
import { shownUrl, versionName } from "../../words/versions";
import { PhotoButton } from "../PhotoButton";
import { PartBoard, type PartWords } from "../refine/PartBoard";
import { SendButton } from "../refine/SendButton";
import { partMasks, partProblem, usePart } from "../refine/usePart";
import { ToolButton } from "../ToolButton";
import { ConsentTick } from "./ConsentTick";

const WORDS: PartWords = {
  only: "Say which face",
  name: "Picture: paint over the face that is to be swapped.",
  none: "Paint over the face; where nothing is said, the clearest one is taken.",
  some: "of the picture is marked; the face nearest to it is swapped.",
};

interface Props {
  run: Run;
  base: number;
  busy: boolean;
  ability: Ability;
  photo: Photo | null;
  maxBytes: number;
  /** Resolves to whether it was taken. */
  onSwap: (order: SwapOrder) => Promise<boolean>;
}

interface Character {
  file: File;
  url: string;
  /** Which choice it was: the same file chosen again is another one. */
  choice: number;
}

/** A character's picture, which face, and the consent without which nothing is sent. */
export function SwapTab({ run, base, busy, ability, photo, maxBytes, onSwap }: Props) {
  const [character, setCharacter] = useState<Character | null>(null);
  const [agreedTo, setAgreedTo] = useState<string | null>(null);
  const choices = useRef(0);
  const [part, setPart] = usePart(photo);
  usePainting(part.painting);
  useEffect(() => () => void (character && URL.revokeObjectURL(character.url)), [character]);
  const chosen = run.versions.find((one) => one.version === base);
  // Consent is to these two pictures: with another one of either it is gone. A photo that was taken
  // in meanwhile is the same one.
  const picture = chosen?.kind === "import" ? 0 : base;
  const pair = `${run.runId} ${picture} ${character?.choice ?? "none"}`;
  const agreed = agreedTo === pair;
  const choose = (file: File) => {
    choices.current += 1;
    setCharacter({ file, url: URL.createObjectURL(file), choice: choices.current });
  };
  const problem = character
    ? part.only && partProblem(part)
      ? "Paint over the face that is meant, or leave it to the server."
      : null
    : "Choose a picture of the character.";
  const swap = async () => {
    if (!character || !agreed || problem) return;
    const [mask] = await partMasks(part);
    const parameters = { consent: true };
    // Consent is for one time.
    if (await onSwap({ reference: character.file, mask, parameters })) setAgreedTo(null);
  };
  const pictures = [
    [
      base ? `The picture, ${versionName(base)}` : "The picture",
      (base && chosen && shownUrl(chosen)) || photoUrl(run.runId),
    ],
    ...(character ? [[`The character: ${character.file.name}`, character.url]] : []),
  ] as const;
  return (
    <Stack spacing={2}>
      <Typography color="textSecondary">
        The character's face takes the place of one in the picture. Several are tried, and the best
        is kept.
      </Typography>
      <Box
        sx={{
          display: "grid",
          gap: 1.5,
          gridTemplateColumns: "repeat(auto-fit, minmax(150px, 1fr))",
        }}
      >
        {pictures.map(([name, url]) => (
          <Box component="figure" key={url} sx={{ m: 0, minWidth: 0 }}>
            <Box
              component="img"
              src={url}
              alt={name}
              sx={{
                width: 1,
                aspectRatio: "4 / 3",
                objectFit: "contain",
                borderRadius: "14px",
                bgcolor: "var(--stage)",
              }}
            />
            <Typography component="figcaption" variant="body2" noWrap>
              {name}
            </Typography>
          </Box>
        ))}
      </Box>
      <Box sx={{ display: "flex", alignItems: "center", gap: 1 }}>
        <PhotoButton
          name={character ? "Another character" : "Choose the character's picture"}
          variant="outlined"
          size="medium"
          maxBytes={maxBytes}
          onPhoto={choose}
        />
        {character && (
          <ToolButton
            name="Remove the character"
            icon={<X size={18} />}
            onClick={() => setCharacter(null)}
          />
        )}
      </Box>
      {ability.available && (
        <>
          <PartBoard photo={photo} part={part} onPart={setPart} words={WORDS} />
          <Box>
            <ConsentTick ticked={agreed} onTick={(tick) => setAgreedTo(tick ? pair : null)} />
          </Box>
        </>
      )}
      <SendButton
        name="Swap the face"
        order={problem ? { problem } : { request: pair }}
        ability={ability}
        busy={busy}
        unasked={!agreed}
        ask="Tick first that everybody agrees."
        onSend={() => void swap()}
      />
    </Stack>
  );
}
