"""Model bundles on disk: manifest, hashes, card, verified load."""

from medcore.registry.bundle import SealedBundle, load_keras, load_skops, open_bundle, write_bundle
from medcore.registry.catalog import Catalog, DefaultChoice
from medcore.registry.manifest import Manifest

__all__ = [
    "Catalog",
    "DefaultChoice",
    "Manifest",
    "SealedBundle",
    "load_keras",
    "load_skops",
    "open_bundle",
    "write_bundle",
]
