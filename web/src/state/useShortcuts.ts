import { useEffect, useRef } from "react";

/** What keys do: by `key` in lower case, with "mod+" for Ctrl or Cmd and "shift+" before it. */
export type Shortcuts = Record<string, () => void>;

// Where letters are text, and keys that such a control needs itself.
const WRITES = "input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select";

/** Listen to keys everywhere but where somebody types or a dialogue is open. */
export function useShortcuts(shortcuts: Shortcuts, on = true): void {
  const now = useRef(shortcuts);
  now.current = shortcuts;
  useEffect(() => {
    if (!on) return;
    const press = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.altKey || target.closest(`${WRITES}, [role=dialog], [role=menu], [role=listbox]`)) {
        return;
      }
      const mod = event.ctrlKey || event.metaKey ? "mod+" : "";
      const key = event.key.toLowerCase();
      const shift = mod && event.shiftKey ? "shift+" : "";
      const act = now.current[`${mod}${shift}${key}`];
      if (!act) return;
      event.preventDefault();
      act();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [on]);
}
