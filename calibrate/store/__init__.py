"""The store: what a study found, in SQL, with observations in files beside it."""

from calibrate.store.adoption import Adopted, check_origins
from calibrate.store.artifacts import Gallery
from calibrate.store.coordinators import runs_of
from calibrate.store.copying import copy_study
from calibrate.store.naming import Named, named, storage_url
from calibrate.store.reader import Reader, find, on_latest_backend
from calibrate.store.store import Store

__all__ = [
    "Adopted",
    "Gallery",
    "Named",
    "Reader",
    "Store",
    "check_origins",
    "copy_study",
    "find",
    "named",
    "on_latest_backend",
    "runs_of",
    "storage_url",
]
