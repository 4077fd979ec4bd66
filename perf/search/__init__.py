"""What a search for the best of many fills is worth, on holes whose truth is known."""
