import { type RefObject, useEffect, useRef } from "react";

/** What keys do: by `key` in lower case, with "mod+" for Ctrl or Cmd and "shift+" before it. */
export type Shortcuts = Record<string, () => void>;

// Where letters are text, and where keys belong to what lies over the page.
const WRITES = "input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select";
const OVER = "[role=dialog], [role=menu], [role=listbox]";

/** Listen to keys everywhere but where somebody types or a dialogue is open.
 *
 * @param place listens within it alone, dialogue or not.
 */
export function useShortcuts(shortcuts: Shortcuts, place?: RefObject<HTMLElement | null>): void {
  const now = useRef(shortcuts);
  now.current = shortcuts;
  useEffect(() => {
    const element = place ? place.current : window;
    const press = (event: Event) => {
      if (!(event instanceof KeyboardEvent) || event.altKey) return;
      const target = event.target as HTMLElement;
      if (target.closest(WRITES) || (!place && target.closest(OVER))) return;
      const mod = event.ctrlKey || event.metaKey ? "mod+" : "";
      const key = event.key.toLowerCase();
      const shift = mod && event.shiftKey ? "shift+" : "";
      const act = now.current[`${mod}${shift}${key}`];
      if (!act) return;
      event.preventDefault();
      act();
    };
    element?.addEventListener("keydown", press);
    return () => element?.removeEventListener("keydown", press);
  }, [place]);
}
