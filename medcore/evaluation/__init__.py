"""How good a model is: discrimination, calibration, usefulness, each with its interval."""
