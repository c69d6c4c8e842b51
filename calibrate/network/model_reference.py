"""Models by the names that study files use."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from calibrate import plugins
from calibrate.errors import PluginError
from calibrate.network.arguments import declared_in_signature
from calibrate.network.model import Model
from calibrate.network.own_simulation import OwnSimulation, declaration_of


def find_model(
    reference: str, *, folder: Path | None = None, own: Mapping[str, object] | None = None
) -> Model:
    """Find a model, or a simulation of your own, by its name.

    Parameters
    ----------
    reference : str
        Name of an installed model, `package.module:Name`, `file.py:Name`, or a key of `own`. What is named
        can also be a function that simulates a network and returns its spikes: see `simulator`.
    folder : Path, optional
        Where `file.py` is looked up; by default the current folder.
    own : dict of str to object, optional
        Models that are in no file, by reference.

    Returns
    -------
    Model
        The model.

    Raises
    ------
    PluginError
        If the name leads to no model; the message is one line.

    Examples
    --------
    >>> from calibrate import find_model
    >>> find_model("balanced").doc
    'Random balanced network of excitatory and inhibitory neurons'
    """
    model = plugins.load(reference, plugins.MODELS, folder=folder, own=own)
    if isinstance(model, Model):
        return model
    if inspect.isfunction(model):
        return model_of(OwnSimulation.of(model, reference, reference=reference, folder=folder))
    kind = type(model).__name__
    raise PluginError(f"{reference} is of type {kind}, not calibrate.network.Model or a function")


def model_of(simulation: OwnSimulation) -> Model:
    """The model that is a simulation of one's own, with the parameters whose type it declares."""
    function = simulation.function
    declared = declaration_of(function)
    named = {parameter.name: parameter for parameter in declared.parameters}
    in_signature = declared_in_signature(function, simulation.arguments.parameters)
    parameters = {**{parameter.name: parameter for parameter in in_signature}, **named}
    return with_simulation(
        Model(
            name=function.__name__,
            parameters=tuple(parameters.values()),
            make_network=simulation.network,
            make_values=simulation.values,
            doc=(inspect.getdoc(function) or "").partition("\n\n")[0],
            cites=declared.cites,
            first_study=declared.first_study,
        ),
        simulation,
    )


def with_simulation(model: Model, simulation: OwnSimulation) -> Model:
    """The model with this simulation of one's own."""
    return replace(
        model, make_network=simulation.network, make_values=simulation.values, simulation=simulation
    )
