import Box from "@mui/material/Box";
import type { Sheet } from "../../api/types";

interface Props {
  number: number;
  name: string;
  sheet: Sheet;
  /** The picture in which all candidates lie. */
  picture: string;
}

/** One candidate, cut out of the picture of all. */
export function CandidatePicture({ number, name, sheet, picture }: Props) {
  const { columns, rows, ratio } = sheet;
  const [row, column] = [Math.floor(number / columns), number % columns];
  const at = (place: number, cells: number) => (cells > 1 ? (place / (cells - 1)) * 100 : 0);
  return (
    <Box
      role="img"
      aria-label={name}
      style={{
        aspectRatio: ratio,
        backgroundImage: `url(${JSON.stringify(picture)})`,
        backgroundSize: `${columns * 100}% ${rows * 100}%`,
        backgroundPosition: `${at(column, columns)}% ${at(row, rows)}%`,
      }}
      sx={{ width: 1, borderRadius: "10px", bgcolor: "var(--stage)" }}
    />
  );
}
