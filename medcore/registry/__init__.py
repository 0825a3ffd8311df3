"""Model bundles on disk: manifest, hashes, card, verified load."""
