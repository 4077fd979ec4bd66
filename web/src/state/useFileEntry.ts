import { useEffect, useRef } from "react";

const PICTURE = /^image\//;
const NAMES = /\.(jpe?g|png|webp|tiff?|avif|hei[cf]|bmp|gif)$/i;

/** Return the first picture of what was dropped or pasted; a kind that the system does not know
 * is judged by its name. */
export function pictureOf(files: Iterable<File>): File | null {
  for (const file of files) {
    if (PICTURE.test(file.type) || NAMES.test(file.name)) return file;
  }
  return null;
}

/** Say why a file is not sent, null where it may be. */
export function fileProblem(file: File, maxBytes: number): string | null {
  if (!file.size) return `${file.name} is empty.`;
  if (file.size <= maxBytes) return null;
  const mb = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
  return `${file.name} has ${mb(file.size)}; at most ${mb(maxBytes)} are taken.`;
}

/** Take a photo that is dropped anywhere on the page, or pasted. */
export function useFileEntry(
  onPhoto: (file: File) => void,
  maxBytes: number,
  onProblem: (problem: string | null) => void,
): void {
  const now = useRef({ onPhoto, onProblem, maxBytes });
  now.current = { onPhoto, onProblem, maxBytes };
  useEffect(() => {
    const enter = (files: FileList | undefined) => {
      if (!files?.length) return false;
      const file = pictureOf(files);
      const problem = file ? fileProblem(file, now.current.maxBytes) : "That is no picture.";
      now.current.onProblem(problem);
      if (file && !problem) now.current.onPhoto(file);
      return true;
    };
    const over = (event: DragEvent) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    };
    const drop = (event: DragEvent) => {
      if (event.defaultPrevented || !event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      enter(event.dataTransfer.files);
    };
    const paste = (event: ClipboardEvent) => {
      if (enter(event.clipboardData?.files)) event.preventDefault();
    };
    window.addEventListener("dragover", over);
    window.addEventListener("drop", drop);
    window.addEventListener("paste", paste);
    return () => {
      window.removeEventListener("dragover", over);
      window.removeEventListener("drop", drop);
      window.removeEventListener("paste", paste);
    };
  }, []);
}
