"""The store: the results of studies in SQL, with observations in files beside the database."""

from calibrate.store.adoption import Adopted, check_origins
from calibrate.store.artifacts import Gallery
from calibrate.store.coordinators import runs_of
from calibrate.store.copying import copy_study
from calibrate.store.hardening_store import HardeningStore
from calibrate.store.reader import Reader, find, find_stored, on_latest_backend
from calibrate.store.store import Store
from calibrate.store.study_names import Named, resolve_name, storage_url

__all__ = [
    "Adopted",
    "Gallery",
    "HardeningStore",
    "Named",
    "Reader",
    "Store",
    "check_origins",
    "copy_study",
    "find",
    "find_stored",
    "on_latest_backend",
    "resolve_name",
    "runs_of",
    "storage_url",
]
