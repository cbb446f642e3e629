"""Pictures of what models do; nothing here is needed for training."""
