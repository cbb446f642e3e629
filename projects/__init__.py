"""Glimpse: vision models that learn from part of an image."""
