import csv
import math

from axial_deeplab.evaluation.tables import Table, format_tables, write_csv

TABLES = [
    Table("means", ("", "IoU", "iIoU"), [("all", 0.5, math.nan)]),
    Table(
        "classes",
        ("class", "kind", "IoU", "TP"),
        [("fire, hydrant", "thing", 1 / 3, 12), ("sky", "stuff", None, 3)],
        texts=2,
        note="(2 more)",
    ),
]


def test_text_is_aligned_and_in_percent():
    assert format_tables(TABLES).splitlines() == [
        "       IoU  iIoU",
        "all  50.00     -",
        "",
        "class          kind     IoU  TP",
        "fire, hydrant  thing  33.33  12",
        "sky            stuff          3",
        "(2 more)",
    ]


def test_csv_is_one_table_with_all_digits(tmp_path):
    path = tmp_path / "scores.csv"
    write_csv(path, TABLES)
    with open(path, newline="") as stream:
        rows = list(csv.DictReader(stream))
    nothing = {"iIoU": "", "kind": "", "TP": ""}
    assert rows[0] == {"table": "means", "name": "all", "IoU": "0.5"} | nothing
    assert rows[1]["name"] == "fire, hydrant"
    assert float(rows[1]["IoU"]) == 1 / 3 and rows[1]["TP"] == "12"
    assert rows[2]["IoU"] == "" and rows[2]["table"] == "classes"
    assert [one.name for one in tmp_path.iterdir()] == ["scores.csv"]
