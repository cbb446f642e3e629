"""One pretraining, evaluated by every recipe that starts from it."""
