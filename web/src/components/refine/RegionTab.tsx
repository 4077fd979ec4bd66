import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Stack from "@mui/material/Stack";
import TextField from "@mui/material/TextField";
import Typography from "@mui/material/Typography";
import { Brush, Plus, Trash2 } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { type Bbox, MOST_REGIONS, regionOrder } from "../../api/payloads";
import type { Ability } from "../../api/types";
import { Painting } from "../../mask/painting";
import { maskPngs } from "../../mask/png";
import type { Tool } from "../../mask/tools";
import type { Photo } from "../../state/photo";
import { usePainting } from "../../state/usePainting";
import { percent } from "../../words/report";
import { BoxFields } from "../BoxFields";
import { ToolButton } from "../ToolButton";
import { BoardCanvas, middleBox } from "./BoardCanvas";
import { REGION_COLOURS } from "./colours";
import type { RepairProps } from "./RefineDrawer";
import { SendButton } from "./SendButton";
import { Swatch } from "./Swatch";

const TOOLS: readonly Tool[] = ["rectangle", "brush", "eraser", "pan"];

interface Region {
  /** What its pixels are in the painting, where it is drawn. */
  label: number;
  bbox: Bbox | null;
  prompt: string;
}

interface Props extends RepairProps {
  ability: Ability;
  photo: Photo | null;
}

/** Several boxes or drawn regions, each with what should be there. */
export function RegionTab({ base, creativity, ability, photo, busy, send }: Props) {
  const [regions, setRegions] = useState<Region[]>([]);
  const [tool, setTool] = useState<Tool>("rectangle");
  const [chosen, setChosen] = useState(1);
  const [painting, setPainting] = useState<Painting | null>(null);
  // Another size alone begins anew: what is drawn outlives the drawer and another version.
  if (photo && !(painting?.width === photo.width && painting.height === photo.height)) {
    setPainting(new Painting(photo.width, photo.height));
    setRegions(regions.filter((one) => one.bbox));
  }
  const revision = usePainting(painting);
  const free = firstFree(regions.map((one) => one.label));
  const full = regions.length >= MOST_REGIONS;
  const drawing = regions.find((one) => one.label === chosen && !one.bbox);

  // Where no region may be added, nothing is drawn that would be one more.
  const tools = full
    ? TOOLS.filter((one) => one !== "rectangle" && (one !== "brush" || drawing))
    : TOOLS;

  // The first stroke makes a region of its own.
  // biome-ignore lint/correctness/useExhaustiveDependencies: each step of the painting is looked at.
  useEffect(() => {
    if (!painting || drawing || full || painting.count(free) === 0) return;
    setRegions((had) => [...had, { label: free, bbox: null, prompt: "" }]);
    setChosen(free);
  }, [revision]);

  const add = (bbox: Bbox | null) => {
    if (full) return;
    setRegions([...regions, { label: free, bbox, prompt: "" }]);
    setChosen(free);
    if (!bbox) setTool("brush");
  };
  const change = (label: number, some: Partial<Region>) =>
    setRegions(regions.map((one) => (one.label === label ? { ...one, ...some } : one)));
  const drop = (region: Region) => {
    setRegions(regions.filter((one) => one !== region));
    if (!region.bbox) painting?.clear(region.label);
  };
  const bare = regions.findIndex((one) => !one.bbox && !painting?.count(one.label));
  // biome-ignore lint/correctness/useExhaustiveDependencies: each step of the painting is looked at.
  const drawnIn = useMemo(() => drawnInside(regions, painting), [regions, painting, revision]);
  const order = !photo
    ? { problem: "The picture is being opened." }
    : bare >= 0
      ? { problem: `Region ${bare + 1}: paint it, or remove it.` }
      : regionOrder({ base, creativity, parameters: {} }, regions, photo, drawnIn);
  const submit = async () => {
    if (!painting) return;
    const drawn = regions.filter((one) => !one.bbox).map((one) => one.label);
    send(order, await maskPngs(masksOf(painting, drawn), painting.width, painting.height));
  };
  return (
    <Stack spacing={2}>
      <Typography color="textSecondary">
        Draw boxes, or paint with the brush. Each region is filled by itself; the others stay out of
        it.
      </Typography>
      {ability.available && ability.ignoresPrompt && (
        <Alert severity="info">
          This server fills regions from the photo itself; it does not use prompts.
        </Alert>
      )}
      <BoardCanvas
        name="Picture: draw boxes or paint regions. Without a pointer, add a box below."
        photo={photo}
        painting={painting}
        tools={tools}
        tool={tools.includes(tool) ? tool : "pan"}
        onTool={setTool}
        label={drawing?.label ?? free}
        colours={REGION_COLOURS}
        boxes={regions.flatMap((one, index) =>
          one.bbox
            ? [
                {
                  bbox: one.bbox.map((n) => n || 0) as Bbox,
                  name: String(index + 1),
                  chosen: one.label === chosen,
                },
              ]
            : [],
        )}
        onBox={add}
      />
      <Stack component="ol" spacing={2} sx={{ listStyle: "none", p: 0, m: 0 }}>
        {regions.map((one, index) => (
          <Box component="li" key={one.label} onFocus={() => setChosen(one.label)}>
            <Box sx={{ display: "flex", gap: 1, mb: 1.25 }}>
              <TextField
                fullWidth
                label={`Region ${index + 1}: what should be there`}
                placeholder="optional"
                value={one.prompt}
                onChange={(event) => change(one.label, { prompt: event.target.value })}
              />
              <ToolButton
                name={`Remove region ${index + 1}`}
                icon={<Trash2 size={18} />}
                onClick={() => drop(one)}
              />
            </Box>
            {one.bbox && photo ? (
              <BoxFields
                bbox={one.bbox}
                photo={photo}
                of={`region ${index + 1}`}
                onBbox={(bbox) => change(one.label, { bbox })}
              />
            ) : (
              <Button
                size="small"
                variant={drawing === one ? "contained" : "outlined"}
                aria-pressed={drawing === one}
                startIcon={<Swatch label={one.label} />}
                onClick={() => {
                  setChosen(one.label);
                  setTool("brush");
                }}
              >
                Drawn: {percent(painting?.share(one.label) ?? 0)}
              </Button>
            )}
          </Box>
        ))}
      </Stack>
      <Box sx={{ display: "flex", gap: 1 }}>
        <Button
          startIcon={<Plus size={18} />}
          disabled={!photo || full}
          onClick={() => photo && add(middleBox(photo))}
        >
          Add a box
        </Button>
        <Button startIcon={<Brush size={17} />} disabled={!photo || full} onClick={() => add(null)}>
          Draw a region
        </Button>
      </Box>
      <SendButton
        name="Fill the regions"
        order={order}
        ability={ability}
        busy={busy}
        onSend={() => void submit()}
      />
    </Stack>
  );
}

function* masksOf(painting: Painting, labels: number[]): Generator<Uint8Array> {
  for (const label of labels) yield painting.mask(label);
}

/** Return what tells which drawn region has pixels within a box, -1 for none; each box once. */
function drawnInside(regions: Region[], painting: Painting | null): (box: Bbox) => number {
  const labels = new Set(regions.filter((one) => !one.bbox).map((one) => one.label));
  const known = new Map<Bbox, number>();
  return (box) => {
    const [x, y, wide, high] = box;
    const found = known.get(box);
    if (found !== undefined) return found;
    const label = painting?.firstIn({ x0: x, y0: y, x1: x + wide, y1: y + high }, labels);
    const index = label ? regions.findIndex((one) => one.label === label) : -1;
    known.set(box, index);
    return index;
  };
}

function firstFree(taken: number[]): number {
  let label = 1;
  while (taken.includes(label)) label++;
  return label;
}
