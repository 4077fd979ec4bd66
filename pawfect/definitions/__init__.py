"""The definitions of the models, a file per room; `pawfect.models` joins them."""
