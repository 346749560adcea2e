from collections import Counter

import pytest

from axial_deeplab.costs.cost import Cost

EVERY_KIND = Counter(
    kernel=1,
    bias=2,
    scale=256,
    position=4,
    norm=8,
    decoder_norm=16,
    projection_norm=32,
    logit_norm=64,
    output_norm=128,
)


@pytest.mark.parametrize(
    "account, count",
    [
        ("full", 511),
        ("paper", 1 + 2 + 4 + 8 + 256),
        ("position_sensitive", 1 + 2 + 4 + 8 + 64 + 128 + 256),
        ("kernels", 1 + 2 + 4 + 256),
    ],
)
def test_accounts_leave_norms_out(account, count):
    assert Cost(parameters=EVERY_KIND).count(account) == count


def test_tally_adds_element_wise_terms():
    elements = Counter(logits=10, attention_norm=20, residual=40, max_pool=2)
    assert Cost(100, elements).tally() == 100 + 15 + 20 + 20 + 9


def test_every_paper_has_its_terms():
    cost = Cost(100, Counter(logits=10, norm=3, product=2, resize=5))
    assert cost.tally("axial") == 100 + 15
    assert cost.tally("segnext") == 100 + 3 + 2 + 4 * 5


def test_costs_add_up():
    one = Cost(1, Counter(logits=2), Counter(kernel=3))
    other = Cost(10, Counter(residual=4), Counter(kernel=5, bias=6))
    assert sum([one, other], Cost()) == Cost(
        11, Counter(logits=2, residual=4), Counter(kernel=8, bias=6)
    )


@pytest.mark.parametrize("field", ["elements", "parameters"])
def test_unknown_kind_is_an_error(field):
    """It would not be counted."""
    with pytest.raises(ValueError, match="weight"):
        Cost(**{field: Counter(weight=1)})
