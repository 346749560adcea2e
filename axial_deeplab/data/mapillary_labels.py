"""The labels of Mapillary Vistas 1.2 (Neuhold et al., ICCV 2017).

Label images hold the index into this table, instance images `index * 256 +
number`, and the panoptic files the category id `index + 1`. Names are those of
the data set's `config.json`: "--" parts a class from its groups.
"""

import dataclasses

INSTANCE_DIVISOR = 256


@dataclasses.dataclass(frozen=True)
class MapillaryLabel:
    """One label.

    `mean_instance_px` is the average size of its objects in the training set,
    with which the instance-weighted IoU weighs pixels; None without instances.
    """

    id: int
    has_instances: bool
    colour: tuple[int, int, int]
    name: str
    mean_instance_px: float | None = None
    is_evaluated: bool = True


# fmt: off
_ROWS = (
    # has instances, colour, name, mean instance size; the id is the position
    (1, (165,  42,  42), "animal--bird", 476.528772379),
    (1, (  0, 192,   0), "animal--ground-animal", 6966.05378973),
    (0, (196, 196, 196), "construction--barrier--curb"),
    (0, (190, 153, 153), "construction--barrier--fence"),
    (0, (180, 165, 180), "construction--barrier--guard-rail"),
    (0, ( 90, 120, 150), "construction--barrier--other-barrier"),
    (0, (102, 102, 156), "construction--barrier--wall"),
    (0, (128,  64, 255), "construction--flat--bike-lane"),
    (1, (140, 140, 200), "construction--flat--crosswalk-plain", 104838.048318),
    (0, (170, 170, 170), "construction--flat--curb-cut"),
    (0, (250, 170, 160), "construction--flat--parking"),
    (0, ( 96,  96,  96), "construction--flat--pedestrian-area"),
    (0, (230, 150, 140), "construction--flat--rail-track"),
    (0, (128,  64, 128), "construction--flat--road"),
    (0, (110, 110, 110), "construction--flat--service-lane"),
    (0, (244,  35, 232), "construction--flat--sidewalk"),
    (0, (150, 100, 100), "construction--structure--bridge"),
    (0, ( 70,  70,  70), "construction--structure--building"),
    (0, (150, 120,  90), "construction--structure--tunnel"),
    (1, (220,  20,  60), "human--person", 9592.86253908),
    (1, (255,   0,   0), "human--rider--bicyclist", 16886.5173901),
    (1, (255,   0, 100), "human--rider--motorcyclist", 9903.12607862),
    (1, (255,   0, 200), "human--rider--other-rider", 9831.76870748),
    (1, (200, 128, 128), "marking--crosswalk-zebra", 112325.952985),
    (0, (255, 255, 255), "marking--general"),
    (0, ( 64, 170,  64), "nature--mountain"),
    (0, (230, 160,  50), "nature--sand"),
    (0, ( 70, 130, 180), "nature--sky"),
    (0, (190, 255, 255), "nature--snow"),
    (0, (152, 251, 152), "nature--terrain"),
    (0, (107, 142,  35), "nature--vegetation"),
    (0, (  0, 170,  30), "nature--water"),
    (1, (255, 255, 128), "object--banner", 11195.5309066),
    (1, (250,   0,  30), "object--bench", 11969.7241379),
    (1, (100, 140, 180), "object--bike-rack", 10429.6873508),
    (1, (220, 220, 220), "object--billboard", 12704.9007352),
    (1, (220, 128, 128), "object--catch-basin", 6854.32095604),
    (1, (222,  40,  40), "object--cctv-camera", 716.579725265),
    (1, (100, 170,  30), "object--fire-hydrant", 4470.86669639),
    (1, ( 40,  40,  40), "object--junction-box", 12195.5445258),
    (1, ( 33,  33,  33), "object--mailbox", 8442.46119235),
    (1, (100, 128, 160), "object--manhole", 9785.74391059),
    (1, (142,   0,   0), "object--phone-booth", 44518.9855491),
    (0, ( 70, 100, 150), "object--pothole"),
    (1, (210, 170, 100), "object--street-light", 764.127730718),
    (1, (153, 153, 153), "object--support--pole", 4580.9781035),
    (1, (128, 128, 128), "object--support--traffic-sign-frame", 43856.0057065),
    (1, (  0,   0,  80), "object--support--utility-pole", 11204.5110898),
    (1, (250, 170,  30), "object--traffic-light", 4210.7699504),
    (1, (192, 192, 192), "object--traffic-sign--back", 3186.98105859),
    (1, (220, 220,   0), "object--traffic-sign--front", 6271.36616576),
    (1, (140, 140,  20), "object--trash-can", 14341.2201577),
    (1, (119,  11,  32), "object--vehicle--bicycle", 16050.3836079),
    (1, (150,   0, 255), "object--vehicle--boat", 32448.4144981),
    (1, (  0,  60, 100), "object--vehicle--bus", 97235.2483673),
    (1, (  0,   0, 142), "object--vehicle--car", 40828.5850107),
    (1, (  0,   0,  90), "object--vehicle--caravan", 45481.5289855),
    (1, (  0,   0, 230), "object--vehicle--motorcycle", 17416.394129),
    (0, (  0,  80, 100), "object--vehicle--on-rails"),
    (1, (128,  64,  64), "object--vehicle--other-vehicle", 49725.5842986),
    (1, (  0,   0, 110), "object--vehicle--trailer", 76466.5590551),
    (1, (  0,   0,  70), "object--vehicle--truck", 86698.8593627),
    (1, (  0,   0, 192), "object--vehicle--wheeled-slow", 12389.1927195),
    (0, ( 32,  32,  32), "void--car-mount"),
    (0, (120,  10,  10), "void--ego-vehicle"),
    (0, (  0,   0,   0), "void--unlabeled", None, False),
)
# fmt: on

MAPILLARY_LABELS: tuple[MapillaryLabel, ...] = tuple(
    MapillaryLabel(index, bool(instances), *rest)
    for index, (instances, *rest) in enumerate(_ROWS)
)
EVALUATED_LABELS = tuple(x for x in MAPILLARY_LABELS if x.is_evaluated)
VOID_ID = 65
# Category id of the panoptic files, is thing, colour and name of the classes.
CLASS_ROWS = tuple(
    (x.id + 1, x.has_instances, x.colour, x.name) for x in EVALUATED_LABELS
)
