import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import { Contrast, Download, FolderOpen, SquareDashed, Trash2 } from "lucide-react";
import { useRef } from "react";
import { type Label, PROTECT } from "../../mask/labels";
import type { Painting } from "../../mask/painting";
import { maskPng, readMask } from "../../mask/png";
import { saveFile } from "../../state/saveFile";
import { useNotice } from "../NoticeProvider";

interface Props {
  painting: Painting;
  label: Label;
  /** Of the photo: the mask's file is called after it. */
  name: string;
  onNumbers: () => void;
}

/** Whole masks: cleared, inverted, loaded and saved, pixel for pixel. */
export function MaskButtons({ painting, label, name, onNumbers }: Props) {
  const input = useRef<HTMLInputElement>(null);
  const say = useNotice();
  const what = label === PROTECT ? "protect" : "mask";
  const save = async () => {
    const { width, height } = painting;
    const file = await maskPng(painting.mask(label), width, height);
    saveFile(file, `${name.replace(/\.[^.]+$/, "")}_${what}.png`);
  };
  const load = async (file: File) => {
    try {
      painting.mark(await readMask(file, painting.width, painting.height), label, true);
      say("The mask is loaded.");
    } catch (error) {
      say((error as Error).message, "error");
    }
  };
  const buttons = [
    ["Clear", Trash2, () => painting.clear()],
    ["Invert", Contrast, () => painting.invert(label)],
    ["Load mask", FolderOpen, () => input.current?.click()],
    ["Save mask", Download, () => void save()],
    ["Rectangle by numbers", SquareDashed, onNumbers],
  ] as const;
  return (
    <Box role="group" aria-label="The mask" sx={{ display: "flex", flexWrap: "wrap", gap: 0.75 }}>
      {buttons.map(([does, Icon, act]) => (
        <Button
          key={does}
          size="small"
          variant="outlined"
          color="inherit"
          startIcon={<Icon size={15} />}
          onClick={act}
          sx={{ px: 1.5, borderColor: "divider" }}
        >
          {does}
        </Button>
      ))}
      <input
        ref={input}
        type="file"
        accept="image/png"
        aria-label="Load mask"
        hidden
        onChange={(event) => {
          const file = event.target.files?.[0];
          event.target.value = "";
          if (file) void load(file);
        }}
      />
    </Box>
  );
}
