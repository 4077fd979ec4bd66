import { Group, Rect, Text } from "react-konva";
import type { Bbox } from "../../api/payloads";
import type { View } from "../../mask/view";

export interface CanvasBox {
  bbox: Bbox;
  /** Stands at the box's corner, so that boxes are not told apart by colour alone. */
  name: string;
  chosen: boolean;
}

interface Props {
  boxes: CanvasBox[];
  view: View;
}

/** Boxes over a photo, each with its number. */
export function CanvasBoxes({ boxes, view }: Props) {
  return boxes.map(({ bbox: [x, y, width, height], name, chosen }) => (
    <Group key={name} x={x * view.scale + view.x} y={y * view.scale + view.y}>
      <Rect
        width={width * view.scale}
        height={height * view.scale}
        stroke={chosen ? "#ffb48c" : "#ffffff"}
        strokeWidth={chosen ? 3 : 2}
        cornerRadius={3}
        shadowColor="#000"
        shadowBlur={4}
        shadowForStrokeEnabled
      />
      <Rect
        y={-22}
        width={12 + 8 * name.length}
        height={20}
        cornerRadius={6}
        fill={chosen ? "#ffb48c" : "#ffffff"}
      />
      <Text x={6} y={-18} text={name} fontSize={13} fontStyle="bold" fill="#2a211b" />
    </Group>
  ));
}
