import pytest

from tradewind.dispatch.pool.spec import KEYS, PoolSpec, parse
from tradewind.errors import ConfigError

SOURCE = "[tradewind] warm_pools"


def pools(document):
    return parse(document, SOURCE, max_age_s=2700)


def test_a_number_is_short_for_a_size():
    spec = PoolSpec(name="default", size=3, max_age_s=2700)
    assert pools({"default": 3}) == pools({"default": {"size": 3}}) == {"default": spec}


def test_a_pool_may_follow_the_rate_between_two_bounds():
    found = pools({"gpu": {"size": "auto", "min": 1, "max": 8, "profile": "gpu", "max_age": 600}})
    assert found["gpu"] == PoolSpec(
        name="gpu", size=None, least=1, most=8, profile="gpu", max_age_s=600
    )


@pytest.mark.parametrize(
    ("document", "said", "remedy"),
    [
        pytest.param([], "of type list", "give a mapping of pool names", id="no-mapping"),
        pytest.param({"a": None}, "pool 'a' is None", "give its size", id="no-size-at-all"),
        pytest.param({"a": {}}, "has no size", "give a number of pods", id="no-size"),
        pytest.param({"a": -1}, "size is -1", "give 0 to 1000", id="negative"),
        pytest.param({"a": 100_000}, "size is 100000", "give 0 to 1000", id="a-slip"),
        pytest.param({"a": True}, "size is True", "whole number or 'auto'", id="boolean"),
        pytest.param({"a": {"size": "3"}}, "size is '3'", "whole number or 'auto'", id="text"),
        pytest.param({"a": "auto"}, "without `max`", "give the most pods", id="no-bound"),
        pytest.param(
            {"a": {"size": "auto", "min": 4, "max": 2}},
            "min is 4 and max is 2",
            "swap",
            id="swapped",
        ),
        pytest.param({"a": {"size": 2, "max": 4}}, "max needs", "remove one", id="two-sizes"),
        pytest.param({"a": {"size": 2, "maxage": 4}}, "unknown key 'maxage'", "max_age", id="typo"),
        pytest.param({"a": {"size": 2, "queue": 4}}, "queue is 4", "give text", id="no-text"),
        pytest.param({"a": {"size": 2, "max_age": 5}}, "max_age is 5", "least value", id="young"),
        pytest.param(
            {"a": {"size": 2, "max_age": "1h"}}, "max_age is '1h'", "give seconds", id="no-number"
        ),
        pytest.param({"A b": 1}, "'A b'", "small letters", id="no-label"),
        pytest.param({"a": 1, "b": 2}, "'a' and 'b'", "remove one", id="twins"),
    ],
)
def test_a_bad_pool_is_named_with_its_remedy(document, said, remedy):
    with pytest.raises(ConfigError) as caught:
        pools(document)
    sentence = str(caught.value)
    assert sentence.startswith(SOURCE)
    assert said in sentence
    assert remedy in sentence


def test_every_key_is_read():
    full = {
        "size": "auto",
        "min": 1,
        "max": 2,
        "queue": "q",
        "profile": "p",
        "pod_template_file": "/t",
        "priority_class": "idle",
        "priority_weight": 7,
        "scale_to_zero_after": 60,
        "max_age": 90,
    }
    assert full.keys() == set(KEYS)
    found = pools({"full": full})["full"]
    bare = PoolSpec(name="full", size=3, max_age_s=2700)
    assert all(getattr(found, name) != getattr(bare, name) for name in PoolSpec.__slots__[1:])
