"""The labels of Cityscapes (arXiv:1604.01685) as its evaluation knows them.

Label images hold label ids. Instance images hold `label id * 1000 + number` for
a single object and the plain label id for everything else: stuff, void, and a
region of a class with instances whose objects could not be told apart (a
group).
"""

import dataclasses

INSTANCE_DIVISOR = 1000
# Labels that are not evaluated have train id 255 (-1: in no image at all).
_IGNORED_TRAIN_IDS = (-1, 255)


@dataclasses.dataclass(frozen=True)
class CityscapesLabel:
    """One label.

    `mean_instance_px` is the average size of its objects in the training set,
    with which the instance-weighted IoU weighs pixels; None without one.
    """

    id: int
    train_id: int
    has_instances: bool
    colour: tuple[int, int, int]
    category: str
    name: str
    mean_instance_px: float | None = None

    @property
    def is_evaluated(self) -> bool:
        """Whether pixels of this label count."""
        return self.train_id not in _IGNORED_TRAIN_IDS


# fmt: off
_ROWS = (
    # id, train id, has instances, colour, category, name, mean instance size
    ( 0, 255, 0, (  0,   0,   0), "void", "unlabeled"),
    ( 1, 255, 0, (  0,   0,   0), "void", "ego vehicle"),
    ( 2, 255, 0, (  0,   0,   0), "void", "rectification border"),
    ( 3, 255, 0, (  0,   0,   0), "void", "out of roi"),
    ( 4, 255, 0, (  0,   0,   0), "void", "static"),
    ( 5, 255, 0, (111,  74,   0), "void", "dynamic"),
    ( 6, 255, 0, ( 81,   0,  81), "void", "ground"),
    ( 7,   0, 0, (128,  64, 128), "flat", "road"),
    ( 8,   1, 0, (244,  35, 232), "flat", "sidewalk"),
    ( 9, 255, 0, (250, 170, 160), "flat", "parking"),
    (10, 255, 0, (230, 150, 140), "flat", "rail track"),
    (11,   2, 0, ( 70,  70,  70), "construction", "building"),
    (12,   3, 0, (102, 102, 156), "construction", "wall"),
    (13,   4, 0, (190, 153, 153), "construction", "fence"),
    (14, 255, 0, (180, 165, 180), "construction", "guard rail"),
    (15, 255, 0, (150, 100, 100), "construction", "bridge"),
    (16, 255, 0, (150, 120,  90), "construction", "tunnel"),
    (17,   5, 0, (153, 153, 153), "object", "pole"),
    (18, 255, 0, (153, 153, 153), "object", "polegroup"),
    (19,   6, 0, (250, 170,  30), "object", "traffic light"),
    (20,   7, 0, (220, 220,   0), "object", "traffic sign"),
    (21,   8, 0, (107, 142,  35), "nature", "vegetation"),
    (22,   9, 0, (152, 251, 152), "nature", "terrain"),
    (23,  10, 0, ( 70, 130, 180), "sky", "sky"),
    (24,  11, 1, (220,  20,  60), "human", "person", 3462.4756337644),
    (25,  12, 1, (255,   0,   0), "human", "rider", 3930.4788056518),
    (26,  13, 1, (  0,   0, 142), "vehicle", "car", 12794.0202738185),
    (27,  14, 1, (  0,   0,  70), "vehicle", "truck", 27855.1264367816),
    (28,  15, 1, (  0,  60, 100), "vehicle", "bus", 35732.1511111111),
    (29, 255, 1, (  0,   0,  90), "vehicle", "caravan", 36771.8241758242),
    (30, 255, 1, (  0,   0, 110), "vehicle", "trailer", 16926.9763313609),
    (31,  16, 1, (  0,  80, 100), "vehicle", "train", 67583.7075812274),
    (32,  17, 1, (  0,   0, 230), "vehicle", "motorcycle", 6298.7200839748),
    (33,  18, 1, (119,  11,  32), "vehicle", "bicycle", 4672.3249222261),
    (-1,  -1, 0, (  0,   0, 142), "vehicle", "license plate"),
)
# fmt: on

CITYSCAPES_LABELS: tuple[CityscapesLabel, ...] = tuple(
    CityscapesLabel(label, train, bool(instances), *rest)
    for label, train, instances, *rest in _ROWS
)
EVALUATED_LABELS = tuple(x for x in CITYSCAPES_LABELS if x.is_evaluated)
# Original id, is thing, colour and name of the classes, by train id.
CLASS_ROWS = tuple(
    (x.id, x.has_instances, x.colour, x.name) for x in EVALUATED_LABELS
)
LABEL_BY_ID = {label.id: label for label in CITYSCAPES_LABELS}


def label_of_instance_id(instance_id: int) -> CityscapesLabel:
    """The label of a value in an instance image.

    Raises:
      KeyError: There is no such label.
    """
    is_object = instance_id >= INSTANCE_DIVISOR
    label = instance_id // INSTANCE_DIVISOR if is_object else instance_id
    if label not in LABEL_BY_ID:
        raise KeyError(
            f"The instance id {instance_id} has the unknown label id {label}."
        )
    return LABEL_BY_ID[label]
