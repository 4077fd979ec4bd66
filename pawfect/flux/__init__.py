"""FLUX.1-Fill: text, latents, schedule and the denoising step."""
