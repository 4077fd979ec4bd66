// Stages of a job as a person would name them; ones without a word of their own are shown as
// they are called.

const NAMES: Record<string, string> = {
  load_base_image: "Opening the picture",
  save_outputs: "Saving",
  mask_cleanup: "Tidying the mask",
  windows: "Choosing what to look at",
  labels: "Naming the surroundings",
  scene_labels: "Naming the surroundings",
  surroundings: "Naming the surroundings",
  protection: "Looking for the pet",
  protect: "Looking for the pet",
  background_removal: "Finding the pet",
  text_reading: "Reading the text",
  patch_fill: "Filling",
  lama_fill: "Filling",
  denoise: "Painting",
  flux_transformer: "Painting",
  composite: "Blending in",
  check: "Checking the result",
  subject_repair: "Mending the subject",
  text_repair: "Setting the text",
  region_repair: "Filling the regions",
  general_repair: "Changing the picture",
};

export function stageName(stage: string): string {
  const known = NAMES[stage];
  if (known) return known;
  const plain = stage.replaceAll("_", " ").trim();
  return plain ? plain[0]!.toUpperCase() + plain.slice(1) : "Working";
}
