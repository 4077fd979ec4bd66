import Button, { type ButtonProps } from "@mui/material/Button";
import { ImagePlus } from "lucide-react";
import { useRef } from "react";
import { fileProblem } from "../state/useFileEntry";
import { useNotice } from "./NoticeProvider";

interface Props {
  name: string;
  maxBytes: number;
  onPhoto: (file: File) => void;
  variant?: NonNullable<ButtonProps["variant"]>;
  size?: NonNullable<ButtonProps["size"]>;
}

/** Chooses a photo of this machine. */
export function PhotoButton({ name, maxBytes, onPhoto, variant = "text", size = "large" }: Props) {
  const input = useRef<HTMLInputElement>(null);
  const say = useNotice();
  return (
    <>
      <Button
        variant={variant}
        size={size}
        startIcon={<ImagePlus size={size === "large" ? 20 : 17} />}
        onClick={() => input.current?.click()}
      >
        {name}
      </Button>
      <input
        ref={input}
        type="file"
        accept="image/*,.heic,.heif,.tif,.tiff"
        aria-label={name}
        hidden
        onChange={(event) => {
          const file = event.target.files?.[0];
          event.target.value = "";
          if (!file) return;
          const problem = fileProblem(file, maxBytes);
          if (problem) say(problem, "error");
          else onPhoto(file);
        }}
      />
    </>
  );
}
