import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Stack from "@mui/material/Stack";
import TextField from "@mui/material/TextField";
import Typography from "@mui/material/Typography";
import { Plus, Trash2 } from "lucide-react";
import { useMemo, useState } from "react";
import { type Bbox, letteringProblem, MOST_CORRECTIONS, textOrder } from "../../api/payloads";
import type { Ability } from "../../api/types";
import { Painting } from "../../mask/painting";
import type { Tool } from "../../mask/tools";
import type { Photo } from "../../state/photo";
import { BoxFields } from "../BoxFields";
import { ToolButton } from "../ToolButton";
import { BoardCanvas, middleBox } from "./BoardCanvas";
import type { RepairProps } from "./RefineDrawer";
import { SendButton } from "./SendButton";

const TOOLS = ["rectangle", "pan"] as const;

interface Line {
  id: number;
  bbox: Bbox;
  text: string;
  touched: boolean;
}

interface Props extends RepairProps {
  ability: Ability;
  photo: Photo | null;
}

/** Boxes over the picture, each with what should stand there. */
export function TextTab({ base, creativity, ability, photo, busy, send }: Props) {
  const [lines, setLines] = useState<Line[]>([]);
  const [notes, setNotes] = useState("");
  const [tool, setTool] = useState<Tool>("rectangle");
  const [chosen, setChosen] = useState<number | null>(null);
  // Nothing is painted here: boxes alone.
  const empty = useMemo(() => photo && new Painting(1, 1), [photo]);
  const add = (bbox: Bbox) => {
    const id = Math.max(0, ...lines.map((one) => one.id)) + 1;
    if (lines.length >= MOST_CORRECTIONS) return;
    setLines([...lines, { id, bbox, text: "", touched: false }]);
    setChosen(id);
  };
  const change = (id: number, some: Partial<Line>) =>
    setLines(lines.map((one) => (one.id === id ? { ...one, ...some } : one)));
  const order = photo
    ? textOrder({ base, creativity, parameters: {} }, lines, notes, photo)
    : { problem: "The picture is being opened." };
  return (
    <Stack spacing={2}>
      <Typography color="textSecondary">
        Draw a box over each text, then type what it should say. An empty place works too.
      </Typography>
      <BoardCanvas
        name="Picture: draw a box over each text. Without a pointer, add a box below."
        photo={photo}
        painting={empty}
        tools={TOOLS}
        tool={tool}
        onTool={setTool}
        boxes={lines.map((one, index) => ({
          bbox: one.bbox.map((n) => n || 0) as Bbox,
          name: String(index + 1),
          chosen: one.id === chosen,
        }))}
        onBox={add}
      />
      <Stack component="ol" spacing={2} sx={{ listStyle: "none", p: 0, m: 0 }}>
        {lines.map((one, index) => {
          const wrong = one.touched ? letteringProblem(one.text) : null;
          return (
            <Box component="li" key={one.id} onFocus={() => setChosen(one.id)}>
              <Box sx={{ display: "flex", gap: 1, mb: 1.25 }}>
                <TextField
                  fullWidth
                  autoFocus
                  label={`Text ${index + 1}`}
                  value={one.text}
                  error={!!wrong}
                  helperText={wrong}
                  onChange={(event) => change(one.id, { text: event.target.value, touched: true })}
                />
                <ToolButton
                  name={`Remove text ${index + 1}`}
                  icon={<Trash2 size={18} />}
                  onClick={() => setLines(lines.filter((other) => other !== one))}
                />
              </Box>
              {photo && (
                <BoxFields
                  bbox={one.bbox}
                  photo={photo}
                  of={`text ${index + 1}`}
                  onBbox={(bbox) => change(one.id, { bbox })}
                />
              )}
            </Box>
          );
        })}
      </Stack>
      <Button
        startIcon={<Plus size={18} />}
        disabled={!photo || lines.length >= MOST_CORRECTIONS}
        onClick={() => photo && add(middleBox(photo))}
        sx={{ alignSelf: "start" }}
      >
        Add a text
      </Button>
      <TextField
        label="Notes"
        placeholder="optional"
        value={notes}
        onChange={(event) => setNotes(event.target.value)}
      />
      <SendButton
        name="Set the text"
        order={order}
        ability={ability}
        busy={busy}
        onSend={() => send(order)}
      />
    </Stack>
  );
}
