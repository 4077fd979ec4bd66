"""What the window and the product's own settings save, against FluxFillPipeline on whole images."""
