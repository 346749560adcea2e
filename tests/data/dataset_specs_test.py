import dataclasses
import json

import pytest

from axial_deeplab.data import (
    cityscapes_labels,
    dataset_specs,
    mapillary_labels,
)
from axial_deeplab.data.dataset_specs import DATASET_SPECS, dataset_spec
from tests import golden

# Original ids of COCO between 1 and 200 that no panoptic class uses.
MISSING_THINGS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
STREET_AND_CO = MISSING_THINGS | {91}


def test_coco_ids_are_the_ranks_of_the_original_ids():
    spec = dataset_spec("coco_panoptic")
    originals = [c.original_id for c in spec.classes]
    assert originals == sorted(originals)
    assert [c.id for c in spec.classes] == list(range(1, 134))
    assert set(originals[:80]) == set(range(1, 91)) - MISSING_THINGS
    assert originals[80] == 92 and originals[-1] == 200
    assert spec.thing_ids == tuple(range(1, 81))
    assert spec.stuff_ids == tuple(range(81, 134))
    assert spec.void_id == 0 and spec.num_classes == 134
    assert spec.class_by_id[1].name == "person"
    assert spec.class_by_original_id[184].id == 117
    assert spec.class_by_original_id[184].name == "tree-merged"


@pytest.mark.golden
def test_coco_table_equals_the_official_categories():
    path = golden.coco_sample_path() / "panoptic_coco_categories.json"
    official = {c["id"]: c for c in json.loads(path.read_text())}
    spec = dataset_spec("coco_panoptic")
    assert set(official) == set(spec.class_by_original_id)
    for entry in spec.classes:
        category = official[entry.original_id]
        assert entry.name == category["name"]
        assert entry.is_thing == bool(category["isthing"])
        assert list(entry.colour) == category["color"]


def test_cityscapes_ids_are_the_train_ids():
    spec = dataset_spec("cityscapes_panoptic")
    labels = cityscapes_labels.CITYSCAPES_LABELS
    assert [label.id for label in labels] == [*range(34), -1]
    by_train_id = {x.train_id: x for x in labels if 0 <= x.train_id < 19}
    for one in spec.classes:
        label = by_train_id[one.id]
        assert (label.id, label.name) == (one.original_id, one.name)
        assert label.has_instances == one.is_thing
    assert spec.thing_ids == tuple(range(11, 19))
    assert len(spec.stuff_ids) == 11 and spec.void_id == 255_000
    weighed = {x.id for x in labels if x.mean_instance_px is not None}
    assert weighed == set(range(24, 34))
    assert cityscapes_labels.label_of_instance_id(26001).name == "car"
    assert cityscapes_labels.label_of_instance_id(999 - 975).name == "person"


def test_mapillary_has_65_classes_and_void():
    spec = dataset_spec("mapillary_panoptic")
    labels = mapillary_labels.MAPILLARY_LABELS
    assert len(labels) == 66 and not labels[spec.ignore_label].is_evaluated
    assert [c.id for c in spec.classes] == list(range(65))
    assert [c.original_id for c in spec.classes] == list(range(1, 66))
    assert len(spec.thing_ids) == 37 and len(spec.stuff_ids) == 28
    # Every class with instances has a mean size, and no other.
    sizes = {x.id for x in labels if x.mean_instance_px is not None}
    assert sizes == set(spec.thing_ids)
    kinds = {one.name: one.is_thing for one in spec.classes}
    assert not kinds["object--pothole"] and kinds["object--support--pole"]
    assert not kinds["object--vehicle--on-rails"]


def test_shapes_ids_have_no_gaps():
    spec = dataset_spec("shapes")
    assert [c.id for c in spec.classes] == list(range(spec.num_classes))
    assert len(spec.thing_ids) >= 4 and len(spec.stuff_ids) >= 3
    assert spec.void_id == 255 * 256


@pytest.mark.parametrize("name", sorted(DATASET_SPECS))
def test_colours_differ_and_are_not_black(name):
    colours = [c.colour for c in dataset_spec(name).classes]
    assert len(set(colours)) == len(colours)
    assert (0, 0, 0) not in colours  # the colour of void


def test_unknown_name_lists_the_nearest():
    with pytest.raises(ValueError, match="'coco_panoptik'.*coco_panoptic"):
        dataset_spec("coco_panoptik")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"ignore_label": 3}, "ignore_label 3 is a class"),
        ({"num_classes": 5}, r"0\.\.4; got 0\.\.8"),
    ],
)
def test_contradicting_table_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(dataset_spec("shapes"), **change)


def test_two_classes_with_one_name_are_refused():
    spec = dataset_spec("shapes")
    twin = dataset_specs.ClassSpec(8, 9, "disc", True, (1, 2, 3))
    with pytest.raises(ValueError, match="two classes share one name"):
        dataclasses.replace(spec, classes=spec.classes[:-1] + (twin,))


SEMANTIC_SETS = {
    "ade20k_semantic": (150, range(1, 151)),
    "pascal_voc": (21, range(21)),
    "isaid": (16, range(16)),
    "coco_stuff": (171, set(range(1, 183)) - STREET_AND_CO),
}


@pytest.mark.parametrize("name", sorted(SEMANTIC_SETS))
def test_semantic_sets_number_their_classes_in_a_row(name):
    count, originals = SEMANTIC_SETS[name]
    spec = dataset_spec(name)
    assert [c.id for c in spec.classes] == list(range(count))
    assert spec.num_classes == count and not spec.thing_ids
    assert {c.original_id for c in spec.classes} == set(originals)
    assert spec.ignore_label == 255


def test_ade20k_panoptic_has_the_100_things_of_the_instance_challenge():
    spec = dataset_spec("ade20k_panoptic")
    assert [c.original_id for c in spec.classes] == list(range(150))
    # Counted from 1: bed, window, cabinet, person; clock, flag.
    assert [i + 1 for i in spec.thing_ids[:4]] == [8, 9, 11, 13]
    assert [i + 1 for i in spec.thing_ids[-2:]] == [149, 150]
    assert len(spec.thing_ids) == 100 and len(spec.stuff_ids) == 50


def test_pascal_context_is_alphabetical_after_background():
    spec = dataset_spec("pascal_context")
    assert len(spec.classes) == 60
    background, *names = spec.names
    assert background == "background" and names == sorted(names)
    originals = [c.original_id for c in spec.classes]
    assert originals == sorted(originals) and originals[0] == 0
    by_name = {c.name: c.original_id for c in spec.classes}
    assert by_name["aeroplane"] == 2 and by_name["wood"] == 458


def test_coco_stuff_shares_names_and_colours_with_the_panoptic_things():
    things = dataset_spec("coco_panoptic").class_by_original_id
    for one in dataset_spec("coco_stuff").classes[:80]:
        twin = things[one.original_id]
        assert (one.name, one.colour) == (twin.name, twin.colour)


def write(path, text):
    path.write_text(text)
    return str(path)


def test_own_data_set_is_read_from_yaml(tmp_path):
    path = write(
        tmp_path / "boats.yaml",
        "classes:\n"
        "- {id: 0, name: water, thing: no}\n"
        "- {id: 1, name: boat, thing: yes, original_id: 7,"
        " colour: [220, 20, 60]}\n",
    )
    spec = dataset_spec(path)
    assert (spec.name, spec.num_classes, spec.ignore_label) == ("boats", 2, 255)
    assert spec.label_divisor == 1000 and spec.thing_ids == (1,)
    boat = spec.class_by_original_id[7]
    assert (boat.name, boat.colour) == ("boat", (220, 20, 60))
    assert spec.class_by_id[0].colour != boat.colour


GOOD = "{id: 0, name: a, thing: no}"


@pytest.mark.parametrize(
    "text, message",
    [
        ("[", "is no YAML file"),
        ("- 1", "must hold `field: value` pairs"),
        ("name: x", "lacks `classes`"),
        ("classes: []", "at least one class"),
        ("classes: [{id: 0, name: a}]", "Class 0 .* lacks `thing`"),
        ("classes: [{id: -1, name: a, thing: no}]", "`id` must be a whole"),
        ("classes: [{id: 0, name: 3, thing: no}]", "`name` must be text"),
        ("classes: [{id: 0, name: a, thing: 2}]", "`thing` must be yes or no"),
        (f"classes: [{GOOD}, {GOOD}]", "two classes share one id"),
        (f"color: 1\nclasses: [{GOOD}]", "unknown field 'color'"),
        (f"ignore_label: 0\nclasses: [{GOOD}]", "ignore_label 0 is a class"),
        (
            "classes: [{id: 0, name: a, thing: no, colour: [1, 2, 256]}]",
            "`colour` must be three numbers",
        ),
    ],
)
def test_bad_descriptions_are_named(tmp_path, text, message):
    path = write(tmp_path / "own.yaml", text)
    with pytest.raises(ValueError, match=f"own.yaml.*{message}"):
        dataset_spec(path)


def test_missing_description_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.yml"):
        dataset_spec(str(tmp_path / "nothing.yml"))
