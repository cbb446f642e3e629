"""Measured on photographs: ladders of small public data sets."""
