"""What tests of the store share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from calibrate.store import Store, storage_url
from calibrate.study import Study
from tests.helpers.studies import small_study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return small_study(tmp_path)


@pytest.fixture
def store(study: Study) -> Iterator[Store]:
    with Store(study, storage_url(study)) as store:
        yield store
