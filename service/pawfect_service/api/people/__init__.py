"""The routes of people's data."""
