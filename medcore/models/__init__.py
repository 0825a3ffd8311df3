"""How models are built, trained and calibrated."""
