"""The audit: pictures, times and scores of every setting, and the setting to use."""
