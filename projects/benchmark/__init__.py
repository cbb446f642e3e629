"""Speed and memory of models and data; imported by tools/benchmark.py."""
