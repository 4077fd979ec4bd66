import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Stack from "@mui/material/Stack";
import TextField from "@mui/material/TextField";
import Typography from "@mui/material/Typography";
import { ImagePlus, X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { addFile, photoUrl } from "../../api/client";
import { subjectOrder } from "../../api/payloads";
import type { Ability } from "../../api/types";
import type { Photo } from "../../state/photo";
import { usePainting } from "../../state/usePainting";
import { shownUrl, versionName } from "../../words/versions";
import { ToolButton } from "../ToolButton";
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

/** Original and generated side by side; what the subject should look like, in words and a picture. */
export function SubjectTab(props: Props) {
  const { run, base, creativity, ability, photo, busy, send, remote, onRemote } = props;
  const [words, setWords] = useState("");
  const [reference, setReference] = useState<{ id: string; url: string; name: string } | null>(
    null,
  );
  const [problem, setProblem] = useState<string | null>(null);
  const [loading, setLoading] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => () => void (reference && URL.revokeObjectURL(reference.url)), [reference]);
  const upload = async (file: File) => {
    setLoading(true);
    setProblem(null);
    try {
      const { fileId } = await addFile(run.runId, file);
      setReference({ id: fileId, url: URL.createObjectURL(file), name: file.name });
    } catch (error) {
      setProblem((error as Error).message);
    } finally {
      setLoading(false);
    }
  };
  const [part, setPart] = usePart(photo);
  usePainting(part.painting);
  const asked = subjectOrder({ base, creativity, parameters: {} }, words, reference?.id ?? null);
  const lacking = asked.problem ?? partProblem(part);
  const order = lacking ? { problem: lacking } : asked;
  const submit = async () => send(order, await partMasks(part));
  const chosen = run.versions.find((one) => one.version === base);
  const generated = chosen && shownUrl(chosen);
  const pictures = [
    ["Original", photoUrl(run.runId)],
    ...(generated ? [[`Generated, ${versionName(base)}`, generated]] : []),
    ...(reference ? [[`Reference: ${reference.name}`, reference.url]] : []),
  ] as const;
  return (
    <Stack spacing={2}>
      <Box
        sx={{
          display: "grid",
          gap: 1.5,
          gridTemplateColumns: "repeat(auto-fit, minmax(150px, 1fr))",
        }}
      >
        {pictures.map(([name, url]) => (
          <Box component="figure" key={name} sx={{ m: 0, minWidth: 0 }}>
            <Box
              component="img"
              src={url}
              alt={name ?? ""}
              sx={{ width: 1, aspectRatio: "4 / 3", objectFit: "cover", borderRadius: "14px" }}
            />
            <Typography component="figcaption" variant="body2" noWrap>
              {name}
            </Typography>
          </Box>
        ))}
      </Box>
      <Box sx={{ display: "flex", alignItems: "center", gap: 1 }}>
        <Button
          variant="outlined"
          startIcon={<ImagePlus size={18} />}
          disabled={loading || !ability.available}
          onClick={() => input.current?.click()}
        >
          {loading ? "Uploading…" : "Add a reference picture"}
        </Button>
        {reference && (
          <ToolButton
            name="Remove the reference"
            icon={<X size={18} />}
            onClick={() => setReference(null)}
          />
        )}
        <input
          ref={input}
          type="file"
          accept="image/*"
          hidden
          aria-label="Add a reference picture"
          onChange={(event) => {
            const file = event.target.files?.[0];
            event.target.value = "";
            if (file) void upload(file);
          }}
        />
      </Box>
      {problem && <Alert severity="error">{problem}</Alert>}
      <TextField
        label="What to change about the subject"
        placeholder="the left ear hangs down, as in the reference"
        multiline
        minRows={3}
        value={words}
        onChange={(event) => setWords(event.target.value)}
      />
      {ability.available && <PartBoard photo={photo} part={part} onPart={setPart} />}
      <RemoteConsent ability={ability} remote={remote} onRemote={onRemote} />
      <SendButton
        name="Repair the subject"
        order={order}
        ability={ability}
        busy={busy}
        unasked={!!ability.remote && !remote}
        onSend={() => void submit()}
      />
    </Stack>
  );
}
