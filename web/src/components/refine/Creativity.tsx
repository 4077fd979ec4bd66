import Box from "@mui/material/Box";
import ToggleButton from "@mui/material/ToggleButton";
import ToggleButtonGroup from "@mui/material/ToggleButtonGroup";

const LEVELS = ["Careful", "Balanced", "Free"];

interface Props {
  creativity: number;
  onCreativity: (creativity: number) => void;
}

/** How far from what is there a repair may go, 1 to 3. */
export function Creativity({ creativity, onCreativity }: Props) {
  return (
    <Box>
      <ToggleButtonGroup
        exclusive
        fullWidth
        size="small"
        color="primary"
        value={creativity}
        aria-label="Creativity"
        onChange={(_, next: number | null) => next !== null && onCreativity(next)}
      >
        {LEVELS.map((name, index) => (
          <ToggleButton key={name} value={index + 1}>
            {name}
          </ToggleButton>
        ))}
      </ToggleButtonGroup>
    </Box>
  );
}
