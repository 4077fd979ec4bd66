"""What surrounds the hole: surfaces (SAM3), captions (Florence-2), and the prompt made of them."""
