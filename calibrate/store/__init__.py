"""The store: what a study found, in SQL, with observations in files beside it."""

from calibrate.store.store import Store, storage_url

__all__ = ["Store", "storage_url"]
