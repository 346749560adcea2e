"""Classes of Pascal VOC 2012 and Pascal Context (Mottaghi et al., CVPR 2014).

Neither has instances here. Colours are those of VOC's palette, except that
background is grey: black is void.
"""

# What VOC paints around objects, and on what is too hard to label.
VOC_FILE_VOID = 255

# fmt: off
VOC_ROWS = (
    # original id, is thing, colour, name
    ( 0, 0, ( 96,  96,  96), "background"),
    ( 1, 0, (128,   0,   0), "aeroplane"),
    ( 2, 0, (  0, 128,   0), "bicycle"),
    ( 3, 0, (128, 128,   0), "bird"),
    ( 4, 0, (  0,   0, 128), "boat"),
    ( 5, 0, (128,   0, 128), "bottle"),
    ( 6, 0, (  0, 128, 128), "bus"),
    ( 7, 0, (128, 128, 128), "car"),
    ( 8, 0, ( 64,   0,   0), "cat"),
    ( 9, 0, (192,   0,   0), "chair"),
    (10, 0, ( 64, 128,   0), "cow"),
    (11, 0, (192, 128,   0), "diningtable"),
    (12, 0, ( 64,   0, 128), "dog"),
    (13, 0, (192,   0, 128), "horse"),
    (14, 0, ( 64, 128, 128), "motorbike"),
    (15, 0, (192, 128, 128), "person"),
    (16, 0, (  0,  64,   0), "pottedplant"),
    (17, 0, (128,  64,   0), "sheep"),
    (18, 0, (  0, 192,   0), "sofa"),
    (19, 0, (128, 192,   0), "train"),
    (20, 0, (  0,  64, 128), "tvmonitor"),
)

CONTEXT_LABELS = 459
# Pascal Context labels 459 classes (and 0, unknown). The usual 59 are below
# with their ids among those; all others are background.
CONTEXT_ROWS = (
    # original id, is thing, colour, name
    (  0, 0, ( 96,  96,  96), "background"),
    (  2, 0, (128,   0,   0), "aeroplane"),
    (  9, 0, (  0, 128,   0), "bag"),
    ( 18, 0, (128, 128,   0), "bed"),
    ( 19, 0, (  0,   0, 128), "bedclothes"),
    ( 22, 0, (128,   0, 128), "bench"),
    ( 23, 0, (  0, 128, 128), "bicycle"),
    ( 25, 0, (128, 128, 128), "bird"),
    ( 31, 0, ( 64,   0,   0), "boat"),
    ( 33, 0, (192,   0,   0), "book"),
    ( 34, 0, ( 64, 128,   0), "bottle"),
    ( 44, 0, (192, 128,   0), "building"),
    ( 45, 0, ( 64,   0, 128), "bus"),
    ( 46, 0, (192,   0, 128), "cabinet"),
    ( 59, 0, ( 64, 128, 128), "car"),
    ( 65, 0, (192, 128, 128), "cat"),
    ( 68, 0, (  0,  64,   0), "ceiling"),
    ( 72, 0, (128,  64,   0), "chair"),
    ( 80, 0, (  0, 192,   0), "cloth"),
    ( 85, 0, (128, 192,   0), "computer"),
    ( 98, 0, (  0,  64, 128), "cow"),
    (104, 0, (128,  64, 128), "cup"),
    (105, 0, (  0, 192, 128), "curtain"),
    (113, 0, (128, 192, 128), "dog"),
    (115, 0, ( 64,  64,   0), "door"),
    (144, 0, (192,  64,   0), "fence"),
    (158, 0, ( 64, 192,   0), "floor"),
    (159, 0, (192, 192,   0), "flower"),
    (162, 0, ( 64,  64, 128), "food"),
    (187, 0, (192,  64, 128), "grass"),
    (189, 0, ( 64, 192, 128), "ground"),
    (207, 0, (192, 192, 128), "horse"),
    (220, 0, (  0,   0,  64), "keyboard"),
    (232, 0, (128,   0,  64), "light"),
    (258, 0, (  0, 128,  64), "motorbike"),
    (259, 0, (128, 128,  64), "mountain"),
    (260, 0, (  0,   0, 192), "mouse"),
    (284, 0, (128,   0, 192), "person"),
    (295, 0, (  0, 128, 192), "plate"),
    (296, 0, (128, 128, 192), "platform"),
    (308, 0, ( 64,   0,  64), "pottedplant"),
    (324, 0, (192,   0,  64), "road"),
    (326, 0, ( 64, 128,  64), "rock"),
    (347, 0, (192, 128,  64), "sheep"),
    (349, 0, ( 64,   0, 192), "shelves"),
    (354, 0, (192,   0, 192), "sidewalk"),
    (355, 0, ( 64, 128, 192), "sign"),
    (360, 0, (192, 128, 192), "sky"),
    (366, 0, (  0,  64,  64), "snow"),
    (368, 0, (128,  64,  64), "sofa"),
    (397, 0, (  0, 192,  64), "table"),
    (415, 0, (128, 192,  64), "track"),
    (416, 0, (  0,  64, 192), "train"),
    (420, 0, (128,  64, 192), "tree"),
    (424, 0, (  0, 192, 192), "truck"),
    (427, 0, (128, 192, 192), "tvmonitor"),
    (440, 0, ( 64,  64,  64), "wall"),
    (445, 0, (192,  64,  64), "water"),
    (454, 0, ( 64, 192,  64), "window"),
    (458, 0, (192, 192,  64), "wood"),
)
# fmt: on
