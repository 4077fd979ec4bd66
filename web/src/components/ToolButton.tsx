import IconButton from "@mui/material/IconButton";
import Tooltip from "@mui/material/Tooltip";
import type { ReactNode } from "react";

interface Props {
  name: string;
  icon: ReactNode;
  /** As it is shown: "B", "Ctrl Z". */
  shortcut?: string;
  pressed?: boolean;
  disabled?: boolean;
  onClick: () => void;
}

/** A button that is an icon, with its name for everybody. */
export function ToolButton({ name, icon, shortcut, pressed, disabled = false, onClick }: Props) {
  const button = (
    <IconButton
      aria-label={name}
      aria-pressed={pressed}
      disabled={disabled}
      onClick={onClick}
      sx={{
        borderRadius: "11px",
        width: 40,
        height: 40,
        color: pressed ? "primary.contrastText" : "text.primary",
        bgcolor: pressed ? "primary.main" : "transparent",
        "&:hover": { bgcolor: pressed ? "primary.dark" : "action.hover" },
      }}
    >
      {icon}
    </IconButton>
  );
  if (disabled) return button;
  return <Tooltip title={shortcut ? `${name} (${shortcut})` : name}>{button}</Tooltip>;
}
