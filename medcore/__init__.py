"""Clinical-AI models: calibrated, explained, and honest about when not to use them."""
