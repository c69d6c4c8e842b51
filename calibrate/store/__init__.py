"""The store: what a study found, in SQL, with observations in files beside it."""

from calibrate.store.adoption import Adopted, check_origins
from calibrate.store.naming import Named, named, storage_url
from calibrate.store.store import Store

__all__ = ["Adopted", "Named", "Store", "check_origins", "named", "storage_url"]
