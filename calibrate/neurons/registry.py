"""The registry of neuron models, by the names that populations use."""

from __future__ import annotations

import inspect

from calibrate.errors import ModelError, did_you_mean
from calibrate.neurons.model import NestNeuron, NeuronModel

UNKNOWN = NeuronModel(
    name="unknown",
    doc="neurons of which only the spikes are known: those of a simulation of one's own",
    parameters=(),
    nest=NestNeuron(model=""),
    receptors=(),
    ordered=(),
)

_registry: dict[str, NeuronModel] = {}
_origins: dict[str, str] = {}  # the file that registered each model


def register(model: NeuronModel) -> NeuronModel:
    """Add a neuron model to the registry, so that populations can name it.

    Registering a model again replaces it if it comes from the same file, or both come from a notebook or
    console.

    Parameters
    ----------
    model : NeuronModel
        The model.

    Returns
    -------
    NeuronModel
        The same model.

    Raises
    ------
    ModelError
        If a different model has this name already.

    Examples
    --------
    >>> from calibrate.neurons import IAF_PSC_EXP, register
    >>> register(IAF_PSC_EXP) is IAF_PSC_EXP
    True
    """
    frame = inspect.currentframe()
    caller = frame.f_back if frame else None
    origin = str(caller.f_globals.get("__file__", "__main__") if caller else "__main__")
    if _origins.setdefault(model.name, origin) == origin:
        _registry[model.name] = model
    elif _registry[model.name] != model:
        raise ModelError(f"a different neuron model named '{model.name}' is already registered")
    return model


def neuron_models() -> tuple[NeuronModel, ...]:
    """List all registered neuron models, the built-in ones first.

    Returns
    -------
    tuple of NeuronModel
        The models.

    Examples
    --------
    >>> from calibrate.neurons import neuron_models
    >>> [model.name for model in neuron_models() if model.weight_unit == "pA"][:2]
    ['iaf_psc_exp', 'iaf_psc_beta']
    """
    return tuple(_registry.values())


def neuron_model(name: str) -> NeuronModel:
    """Return a registered neuron model by its name.

    Parameters
    ----------
    name : str
        Name of the model.

    Returns
    -------
    NeuronModel
        The model.

    Raises
    ------
    ModelError
        If there is no such model.

    Examples
    --------
    >>> from calibrate.neurons import neuron_model
    >>> neuron_model("iaf_cond_exp").weight_unit
    'nS'
    """
    if name == UNKNOWN.name:
        return UNKNOWN
    try:
        return _registry[name]
    except KeyError:
        hint = did_you_mean(name, _registry)
        raise ModelError(f"there is no neuron model '{name}'{hint}: {', '.join(_registry)}") from None
