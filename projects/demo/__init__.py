"""The demonstration behind ``make demo``: from images to a table."""
