"""Qwen-Image-Edit: text and pictures, latents, schedule and the denoising step."""
