import Box from "@mui/material/Box";
import FormControlLabel from "@mui/material/FormControlLabel";
import Switch from "@mui/material/Switch";
import Typography from "@mui/material/Typography";
import { useState } from "react";
import type { Tool } from "../../mask/tools";
import type { Photo } from "../../state/photo";
import { usePainting } from "../../state/usePainting";
import { percent } from "../../words/report";
import { BoardCanvas } from "./BoardCanvas";
import { REGION_COLOURS } from "./colours";
import { DRAWN, type Part } from "./usePart";

const TOOLS: readonly Tool[] = ["brush", "eraser", "lasso", "pan"];

interface Props {
  photo: Photo | null;
  part: Part;
  onPart: (part: Part) => void;
  words?: PartWords;
}

/** What is said of a part. */
export interface PartWords {
  /** Of the switch. */
  only: string;
  /** What the canvas is called. */
  name: string;
  /** While nothing is painted. */
  none: string;
  /** Once something is, behind its share of the picture. */
  some: string;
}

const CHANGES: PartWords = {
  only: "Only a part of the picture",
  name: "Picture: paint over what may change.",
  none: "Paint over what may change; the rest stays as it is.",
  some: "of the picture may change; the rest stays as it is.",
};

/** Lets somebody say which part of a picture may change; else all of it may. */
export function PartBoard({ photo, part, onPart, words = CHANGES }: Props) {
  const [tool, setTool] = useState<Tool>("brush");
  usePainting(part.painting);
  const share = part.painting?.share(DRAWN) ?? 0;
  return (
    <Box>
      <FormControlLabel
        control={<Switch checked={part.only} onChange={(_, only) => onPart({ ...part, only })} />}
        label={words.only}
      />
      {part.only && (
        <>
          <BoardCanvas
            name={words.name}
            photo={photo}
            painting={part.painting}
            tools={TOOLS}
            tool={tool}
            onTool={setTool}
            label={DRAWN}
            colours={REGION_COLOURS}
            boxes={[]}
            onBox={() => {}}
          />
          <Typography variant="body2" color="textSecondary" sx={{ mt: 0.5 }}>
            {share ? `${percent(share)} ${words.some}` : words.none}
          </Typography>
        </>
      )}
    </Box>
  );
}
