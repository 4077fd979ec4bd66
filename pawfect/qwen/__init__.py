"""Qwen-Image-Edit: its text encoder that sees pictures, its VAE, its transformer."""
