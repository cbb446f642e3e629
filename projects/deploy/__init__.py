"""Models at work outside training: features of images, exported files."""
