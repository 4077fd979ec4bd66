"""Background removal measured on pictures whose alpha is known."""
