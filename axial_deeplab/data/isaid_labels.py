"""The 15 classes of iSAID (arXiv:1905.12886) and background.

The semantic masks are RGB PNGs in the colours below; only background, black in
the files, is grey here, because black is void.
"""

FILE_BACKGROUND_COLOUR = (0, 0, 0)

# fmt: off
ROWS = (
    # original id, is thing, colour, name
    ( 0, 0, ( 96,  96,  96), "background"),
    ( 1, 0, (  0,   0,  63), "ship"),
    ( 2, 0, (  0,  63,  63), "store_tank"),
    ( 3, 0, (  0,  63,   0), "baseball_diamond"),
    ( 4, 0, (  0,  63, 127), "tennis_court"),
    ( 5, 0, (  0,  63, 191), "basketball_court"),
    ( 6, 0, (  0,  63, 255), "Ground_Track_Field"),
    ( 7, 0, (  0, 127,  63), "Bridge"),
    ( 8, 0, (  0, 127, 127), "Large_Vehicle"),
    ( 9, 0, (  0,   0, 127), "Small_Vehicle"),
    (10, 0, (  0,   0, 191), "Helicopter"),
    (11, 0, (  0,   0, 255), "Swimming_pool"),
    (12, 0, (  0, 191, 127), "Roundabout"),
    (13, 0, (  0, 127, 191), "Soccer_ball_field"),
    (14, 0, (  0, 127, 255), "plane"),
    (15, 0, (  0, 100, 155), "Harbor"),
)
# fmt: on
