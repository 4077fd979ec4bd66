"""FLUX.1-Fill in parts: text, VAE, one denoising step, and the schedule that joins them."""
