"""From a bundle and a record to a calibrated probability, its interval and its applicability."""
