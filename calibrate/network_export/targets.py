"""All targets of an export. A new one is a module with a `Target`, and an entry here."""

from __future__ import annotations

from calibrate.errors import StudyError, did_you_mean
from calibrate.network_export.nest_script import NEST
from calibrate.network_export.nestml import NESTML
from calibrate.network_export.nir_graph import NIR
from calibrate.network_export.pynn import PYNN
from calibrate.network_export.sonata import SONATA
from calibrate.network_export.target import Target

TARGETS: dict[str, Target] = {target.name: target for target in (NEST, PYNN, SONATA, NIR, NESTML)}


def find_target(name: str) -> Target:
    """The target of this name. Raises StudyError if there is none."""
    if name not in TARGETS:
        raise StudyError(
            f"there is no export to '{name}'{did_you_mean(name, TARGETS)}: choose {', '.join(TARGETS)}"
        )
    return TARGETS[name]
