"""FLUX.2 [klein]: text, latents and the denoising step."""
