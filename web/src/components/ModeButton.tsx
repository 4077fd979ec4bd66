import { useColorScheme } from "@mui/material/styles";
import { Moon, Sun } from "lucide-react";
import { ToolButton } from "./ToolButton";

/** Light or dark; what the system says until somebody chooses. */
export function ModeButton() {
  const { mode, systemMode, setMode } = useColorScheme();
  const dark = (mode === "system" ? systemMode : mode) === "dark";
  return (
    <ToolButton
      name={dark ? "Use light colours" : "Use dark colours"}
      icon={dark ? <Sun size={20} /> : <Moon size={20} />}
      onClick={() => setMode(dark ? "light" : "dark")}
    />
  );
}
