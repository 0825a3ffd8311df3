"""Cross-fitted training and what a bundle is released with: scores, limits, intervals and figures."""
