"""Miniature Cityscapes files in the official layout."""

import pathlib

import numpy as np
from PIL import Image

IDS = ("aachen_000000_000019", "aachen_000001_000019", "ulm_000000_000019")


def instance_map(seed: int) -> np.ndarray:
    """Road, void, two cars of 200 pixels, a group of persons."""
    random = np.random.default_rng(seed)
    ids = np.full((24, 40), 7, np.uint16)
    ids[:4] = 4
    ids[4:14, 2:22] = 26001
    ids[14:24, 20:40] = 26002
    ids[14:24, :10] = 24
    return np.roll(ids, int(random.integers(40)), axis=1)


def label_map(instances: np.ndarray) -> np.ndarray:
    labels = np.where(instances >= 1000, instances // 1000, instances)
    return labels.astype(np.uint8)


def write_truth(folder: pathlib.Path) -> pathlib.Path:
    """`folder/CITY/CITY_SEQ_FRAME_gtFine_*Ids.png`; returns the folder."""
    for seed, image_id in enumerate(IDS):
        city = folder / image_id.split("_")[0]
        city.mkdir(parents=True, exist_ok=True)
        instances = instance_map(seed)
        for name, values in (
            ("instanceIds", instances),
            ("labelIds", label_map(instances)),
        ):
            path = city / f"{image_id}_gtFine_{name}.png"
            Image.fromarray(values).save(path)
    return folder


def predicted_map(seed: int) -> np.ndarray:
    """The truth, moved a little."""
    return np.roll(instance_map(seed), (1, 2), (0, 1))


def write_labels(folder: pathlib.Path) -> pathlib.Path:
    """Predicted labels; returns the folder."""
    folder.mkdir(parents=True)
    for seed, image_id in enumerate(IDS):
        labels = label_map(predicted_map(seed))
        Image.fromarray(labels).save(folder / f"{image_id}_pred.png")
    return folder


def masks(seed: int) -> list[tuple[np.ndarray, int, float]]:
    """Masks, label ids and scores of the predicted instances."""
    ids = predicted_map(seed)
    return [
        (ids == 26001, 26, 0.9 - seed / 8),
        (ids == 26002, 26, 0.25),
        (ids == 24, 26, 0.5),
        (ids == 4, 24, 0.75),
        (ids == 7, 7, 1.0),
    ]


def write_masks(folder: pathlib.Path) -> pathlib.Path:
    """Predicted masks and their lists; returns the folder."""
    (folder / "lists").mkdir(parents=True)
    (folder / "masks").mkdir()
    for seed, image_id in enumerate(IDS):
        lines = []
        for number, (mask, label, score) in enumerate(masks(seed)):
            name = f"{image_id}_{number}.png"
            Image.fromarray(mask.astype(np.uint8) * 77).save(
                folder / "masks" / name
            )
            lines.append(f"../masks/{name} {label} {score}\n")
        text = "".join(lines)
        (folder / "lists" / f"{image_id}_pred.txt").write_text(text)
    return folder
