"""Text repair measured: rendered signs, tags and mugs whose right answer is known."""
