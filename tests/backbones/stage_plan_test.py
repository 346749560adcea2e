import numpy as np
import pytest

from axial_deeplab.backbones.stage_plan import BlockPlan, plan_stages


def test_a_plan_written_out():
    """Axial-ResNet-50 of width 1 (arXiv:2003.07853, Table 1)."""
    plan = plan_stages((3, 4, 6, 3))
    blocks = {
        level: [(block.width, block.stride) for block in plans]
        for level, plans in plan.items()
    }
    assert blocks == {
        "2": [(64, 1)] * 3,
        "3": [(128, 2)] + [(128, 1)] * 3,
        "4": [(256, 2)] + [(256, 1)] * 5,
        "5": [(512, 2)] + [(512, 1)] * 2,
    }
    assert [plans[0].filters for plans in plan.values()] == [
        256,
        512,
        1024,
        2048,
    ]


@pytest.mark.parametrize(
    ("output_stride", "strides"),
    [(32, [4, 8, 16, 32]), (16, [4, 8, 16, 16]), (8, [4, 8, 8, 8])],
)
def test_strides_stop_at_the_output_stride(output_stride, strides):
    plan = plan_stages((2, 2, 2, 2), output_stride=output_stride)
    stride, seen = 4, []
    for blocks in plan.values():
        assert all(block.stride == 1 for block in blocks[1:])
        stride *= blocks[0].stride
        seen.append(stride)
    assert seen == strides


def test_the_stem_may_leave_more_to_the_stages():
    """Levels keep their strides, 2, 4, 8, 16 and 32, behind any stem."""
    plan = plan_stages((1, 2, 1, 1), stem_stride=2)
    strides = {k: [b.stride for b in blocks] for k, blocks in plan.items()}
    assert strides == {"2": [2], "3": [2, 1], "4": [2], "5": [2]}
    plan = plan_stages((2, 1, 1, 1, 1), stem_stride=1, first_level=1)
    strides = {k: [b.stride for b in blocks] for k, blocks in plan.items()}
    assert strides == {"1": [2, 1], "2": [2], "3": [2], "4": [2], "5": [2]}
    assert plan["1"][0].width == 32


def test_dilation_stands_in_for_dropped_strides():
    """What stands behind a dropped stride, not the block that drops it."""
    rates = {
        stride: [
            block.dilation
            for blocks in plan_stages((1, 1, 2, 2), 1.0, stride).values()
            for block in blocks
        ]
        for stride in (32, 16, 8)
    }
    assert rates == {
        32: [1, 1, 1, 1, 1, 1],
        16: [1, 1, 1, 1, 1, 2],
        8: [1, 1, 1, 2, 2, 4],
    }


def test_widths_follow_the_multiplier():
    plan = plan_stages((1, 1, 1, 1), width=0.375)
    assert [b.width for blocks in plan.values() for b in blocks] == [
        24,
        48,
        96,
        192,
    ]


def test_drop_path_grows_linearly_with_depth():
    plan = plan_stages((1, 2, 4, 1), drop_path=0.7)
    rates = [b.drop_path for blocks in plan.values() for b in blocks]
    np.testing.assert_allclose(rates, np.linspace(0.0, 0.7, 8))
    single = plan_stages((1,), drop_path=0.7)
    assert single == {
        "2": (BlockPlan(64, stride=1, drop_path=0.0, input_stride=4),)
    }


@pytest.mark.parametrize("output_stride", [4, 12, 64])
def test_other_output_strides_are_named(output_stride):
    with pytest.raises(ValueError, match=f"8, 16 or 32; got {output_stride}"):
        plan_stages((1, 1, 1, 1), output_stride=output_stride)
