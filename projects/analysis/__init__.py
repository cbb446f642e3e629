"""Analysis of models and runs; imported by the tools that use it."""
