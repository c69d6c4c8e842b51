"""A lab's own network and statistic, as they were written before calibrate's modules had their rooms."""

from calibrate.errors import ModelError
from calibrate.models.balanced import balanced
from calibrate.network import Model, Network, Parameter, Population, UniformPotential, Values
from calibrate.neurons import neuron_model
from calibrate.objective import Estimate, Needs, statistic
from calibrate.observation import up_states


def make_network(p):
    if p["N"] % 2:
        raise ModelError("N must be even")
    return Network(populations=(Population(name="E", size=p["N"], clusters=2),), projections=())


def make_values(network, p):
    defaults = {one.name: one.default for one in neuron_model("iaf_psc_exp").parameters}
    neuron = {**defaults, "V_th": 20.0, "E_L": 0.0, "V_reset": 0.0, "C_m": 1.0, "tau_m": 20.0, "I_e": p["drive"]}
    return Values(neurons={"E": neuron}, weights={}, initial={"E": UniformPotential(0.0, 20.0)})


lab = Model(
    name="lab",
    parameters=(
        Parameter(name="N", default=40, unit="", doc="neurons", kind=int, low=2, tier="code"),
        Parameter(name="drive", default=1.5, unit="pA", doc="constant input", low=0.0),
    ),
    make_network=make_network,
    make_values=make_values,
    doc=f"not {balanced.name}",
)


@statistic(unit="Hz", needs=Needs(bin_ms=5.0))
def peak_rate(observation, *, population="E"):
    "Highest rate of any cluster in a 5 ms bin; undefined without a spike."
    counts = observation.group_counts(population, 5.0)
    if not counts.any():
        return Estimate(float("nan"), shortfall=1.0)
    assert callable(up_states)
    return float((counts / observation.group_sizes(population)[:, None]).max() / 0.005)
