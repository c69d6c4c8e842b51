"""Parameters of ei_clustered for networks that many tests simulate."""

from __future__ import annotations

from typing import Any

METASTABLE: dict[str, Any] = {
    "connectivity": "fixed_indegree",
    "I_th_E": 2.13,
    "I_th_I": 1.24,
    "J_E+": 3.0,
    "R_J": 0.75,
}
"""The network of the quickstart: 1200 + 300 neurons whose six clusters switch on and off."""

SMALL: dict[str, Any] = {**METASTABLE, "N_E": 240, "N_I": 60, "N_Q": 3, "J_E+": 2.0}
