"""The identity of a draw: everything it depends on, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from variegate.errors import DataError
from variegate.models import Sampling
from variegate.samples import Samples, sample_id, settings_hash

DRAW = {
    "model": "m",
    "revision": "r",
    "rendered": "Hi",
    "sampling": Sampling(),
    "index": 0,
    "seed": 0,
}


@pytest.mark.fault(1)
def test_fault_01_thirty_identical_requests_are_thirty_draws():
    names = [sample_id(**DRAW | {"index": index}) for index in range(30)]
    assert len(set(names)) == 30
    assert names == [sample_id(**DRAW | {"index": index}) for index in range(30)]
    table = Samples.from_rows(
        {"prompt": "Hi", "text": "the same", "sample_id": name} for name in names
    )
    assert table.frame["sample"].to_list() == list(range(30))


@pytest.mark.fault(1)
@pytest.mark.parametrize(
    "other",
    [
        {"model": "n"},
        {"revision": "s"},
        {"rendered": "Hi "},
        {"index": 1},
        {"seed": 1},
        {"seed": None},
        {"sampling": Sampling(temperature=0.5)},
        {"sampling": Sampling(top_p=0.9)},
        {"sampling": Sampling(top_k=5)},
        {"sampling": Sampling(min_p=0.1)},
        {"sampling": Sampling(max_tokens=9)},
        {"sampling": Sampling(stop=("\n",))},
    ],
)
def test_fault_01_whatever_changes_the_draw_changes_its_name(other):
    assert sample_id(**DRAW | other) != sample_id(**DRAW)


@pytest.mark.fault(2)
@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k", "min_p"])
def test_fault_02_a_setting_left_out_is_not_zero(name):
    names = {sample_id(**DRAW | {"sampling": {name: value}}) for value in (None, 0)}
    assert len(names) == 2


def test_no_field_runs_into_the_next():
    assert sample_id(**DRAW | {"model": "ab", "revision": "c"}) != sample_id(
        **DRAW | {"model": "a", "revision": "bc"}
    )


def test_a_dataclass_and_its_dictionary_are_the_same_settings():
    settings = {"temperature": 1, "top_p": None, "top_k": None, "min_p": None}
    settings |= {"max_tokens": 256.0, "stop": []}
    assert sample_id(**DRAW | {"sampling": settings}) == sample_id(**DRAW)


settings = st.dictionaries(
    st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.floats() | st.text()
)


@given(settings)
def test_the_order_of_settings_does_not_matter(value):
    assert settings_hash(value) == settings_hash(dict(reversed(value.items())))


def test_settings_that_have_no_canonical_form_are_refused():
    with pytest.raises(DataError, match="Expected a setting that JSON can hold, got object"):
        settings_hash({"model": object()})
