"""From what is known of a hole's surroundings to the one to three words that FLUX is given."""

from pawfect.prompting.builder import Label, Prompt, build_prompt

__all__ = ["Label", "Prompt", "build_prompt"]
