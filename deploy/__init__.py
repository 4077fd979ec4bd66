"""How the service is brought to where it runs."""
