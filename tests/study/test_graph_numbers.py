"""Graph numbers: no graph serves two purposes, whatever a study asks for."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from calibrate.study.file.replicates import ConfirmSection, ReplicatesSection
from calibrate.study.graph_numbers import Graphs, Purpose


@given(
    graphs=st.integers(1, 40),
    confirm=st.integers(0, 40) | st.builds(ConfirmSection, least=st.just(1), most=st.integers(1, 40)),
    fresh=st.integers(0, 2000),
    n=st.integers(1, 50),
)
def test_no_graph_serves_two_purposes(graphs, confirm, fresh, n):
    numbers = Graphs.of(ReplicatesSection(graphs=graphs, confirm=confirm, fresh=fresh))
    several = [numbers.search, numbers.confirmation, numbers.fresh, numbers.validation(n)]
    most = confirm if isinstance(confirm, int) else confirm.most
    assert [len(one) for one in several] == [graphs, most, fresh, n]
    for one, other in itertools.combinations(several, 2):
        assert not set(one) & set(other)
    assert set(numbers.scored) == {*numbers.search, *numbers.confirmation}
    assert list(numbers.of_purpose(Purpose.SCREENING)) == [numbers.search[0]]


def test_a_validation_uses_the_same_graphs_after_the_search_was_given_more():
    one, other = (Graphs.of(ReplicatesSection(graphs=n, confirm=2, fresh=4)) for n in (1, 9))
    assert one.validation(3) == other.validation(3)
