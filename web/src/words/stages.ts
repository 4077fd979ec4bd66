// Stages of a job as a person would name them; ones without a word of their own are shown as
// they are called.

const NAMES: Record<string, string> = {
  load_base_image: "Opening the picture",
  save_outputs: "Saving",
  validate: "Opening the picture",
  mask_cleanup: "Tidying the mask",
  windows: "Choosing what to look at",
  labels: "Naming the surroundings",
  scene_labels: "Naming the surroundings",
  surroundings: "Naming the surroundings",
  shrink: "Looking for the pet",
  onnx_networks: "Looking for the pet",
  subject: "Looking for the pet",
  protect: "Looking for the pet",
  edges: "Following the fur",
  foreground: "Finding the fur's own colours",
  output: "Writing the picture",
  text_reading: "Reading the text",
  encode: "Looking at the surroundings",
  patch_fill: "Filling",
  lama_fill: "Filling",
  global: "Trying several",
  local: "Trying on from the best",
  propose: "Trying several",
  face_analysis: "Looking for faces",
  face_mask: "Outlining the face",
  face_swap: "Swapping the face",
  judge: "Comparing them",
  denoise: "Painting",
  flux_transformer: "Painting",
  klein_transformer: "Painting",
  edit_transformer: "Painting",
  decode: "Painting",
  composite: "Blending in",
  choice: "Choosing the better one",
  check: "Checking the result",
  score_local: "Judging the result",
  report: "Checking the result",
  regions: "Filling the regions",
  edit: "Changing the picture",
  subject_repair: "Mending the subject",
  text_repair: "Setting the text",
  region_repair: "Filling the regions",
  general_repair: "Changing the picture",
};

/** Return a stage in words; one within another, such as `region 1 of 2: patch_fill`, each of them. */
export function stageName(stage: string): string {
  const parts = stage.split(":").map((one) => one.trim());
  return parts.filter(Boolean).map(partName).join(": ") || "Working";
}

function partName(stage: string): string {
  const plain = stage.replaceAll("_", " ");
  return NAMES[stage] ?? plain.charAt(0).toUpperCase() + plain.slice(1);
}
