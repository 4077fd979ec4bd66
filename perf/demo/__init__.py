"""A photo and a mask to a filled picture on disk, through a real server of its own."""
