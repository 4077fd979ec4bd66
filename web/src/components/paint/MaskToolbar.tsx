import Box from "@mui/material/Box";
import Divider from "@mui/material/Divider";
import Paper from "@mui/material/Paper";
import Slider from "@mui/material/Slider";
import Typography from "@mui/material/Typography";
import {
  Brush,
  Eraser,
  Hand,
  Lasso,
  Maximize,
  Redo2,
  SquareDashed,
  Undo2,
  ZoomIn,
  ZoomOut,
} from "lucide-react";
import type { Painting } from "../../mask/painting";
import { LARGEST, SMALLEST, type Tool } from "../../mask/tools";
import { ToolButton } from "../ToolButton";

const TOOLS = [
  ["brush", "Brush", "B", Brush],
  ["eraser", "Eraser", "E", Eraser],
  ["rectangle", "Rectangle", "R", SquareDashed],
  ["lasso", "Lasso", "L", Lasso],
  ["pan", "Move the photo", "H", Hand],
] as const;
// The slider is of the size's logarithm: small brushes need fine steps.
const STEPS = 100;
const RANGE = Math.log(LARGEST / SMALLEST);

interface Props {
  tool: Tool;
  onTool: (tool: Tool) => void;
  /** Those that there are; all of them where not given. */
  tools?: readonly Tool[];
  size: number;
  onSize: (size: number) => void;
  painting: Painting;
  scale: number;
  onZoom: (factor: number) => void;
  onFit: () => void;
}

export function MaskToolbar(props: Props) {
  const { tool, onTool, tools, size, onSize, painting, scale, onZoom, onFit } = props;
  const paints = !tools || tools.includes("brush");
  return (
    <Paper
      variant="outlined"
      role="toolbar"
      aria-label="Tools"
      sx={{
        display: "flex",
        alignItems: "center",
        flexWrap: "wrap",
        gap: 0.5,
        p: 0.75,
        borderRadius: "16px",
      }}
    >
      {TOOLS.filter(([kind]) => !tools || tools.includes(kind)).map(([kind, name, key, Icon]) => (
        <ToolButton
          key={kind}
          name={name}
          shortcut={key}
          icon={<Icon size={20} />}
          pressed={tool === kind}
          onClick={() => onTool(kind)}
        />
      ))}
      {paints && (
        <>
          <Divider orientation="vertical" flexItem sx={{ mx: 0.5 }} />
          <ToolButton
            name="Undo"
            shortcut="Ctrl Z"
            icon={<Undo2 size={20} />}
            disabled={!painting.canUndo}
            onClick={() => painting.undo()}
          />
          <ToolButton
            name="Redo"
            shortcut="Ctrl Shift Z"
            icon={<Redo2 size={20} />}
            disabled={!painting.canRedo}
            onClick={() => painting.redo()}
          />
        </>
      )}
      {paints && (
        <Box
          sx={{
            display: "flex",
            alignItems: "center",
            gap: 1.5,
            px: 1.5,
            flex: "1 1 170px",
            maxWidth: { sm: 250 },
          }}
        >
          <Slider
            size="small"
            aria-label="Size of the brush"
            min={0}
            max={STEPS}
            value={(Math.log(size / SMALLEST) / RANGE) * STEPS}
            getAriaValueText={() => `${size} pixels`}
            onChange={(_, value) =>
              onSize(Math.round(SMALLEST * Math.exp(((value as number) / STEPS) * RANGE)))
            }
          />
          <Typography variant="body2" sx={{ whiteSpace: "nowrap", minWidth: 54 }}>
            {size} px
          </Typography>
        </Box>
      )}
      <Box sx={{ display: "flex", alignItems: "center", ml: { sm: "auto" } }}>
        <ToolButton
          name="Zoom out"
          shortcut="−"
          icon={<ZoomOut size={20} />}
          onClick={() => onZoom(1 / 1.4)}
        />
        <Typography variant="body2" sx={{ width: 50, textAlign: "center" }}>
          {Math.round(scale * 100)} %
        </Typography>
        <ToolButton
          name="Zoom in"
          shortcut="+"
          icon={<ZoomIn size={20} />}
          onClick={() => onZoom(1.4)}
        />
        <ToolButton
          name="Show all of the photo"
          shortcut="0"
          icon={<Maximize size={19} />}
          onClick={onFit}
        />
      </Box>
    </Paper>
  );
}
