"""Annotated images to TFRecord files: in parallel, and again after a failure.

Files are made in a hidden folder beside their place, and reach it together
when all are there. What an interrupted conversion has finished is kept, if the
next one converts the same images in the same way. `SPLIT_summary.json` tells
what the files hold and what was left out.
"""

import collections
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Sequence
from typing import Any

from axial_deeplab.data import shards
from axial_deeplab.data.annotated_images import AnnotatedImage, Source
from axial_deeplab.data.shard_workers import run_jobs
from axial_deeplab.data.whole_shards import Job, ShardCount, write_shard

_DEFAULT_SHARDS = 4


@dataclasses.dataclass(frozen=True)
class ConversionSettings:
    """Where records go, and how.

    Attributes:
      output_dir: folder of the records.
      split: start of the file names.
      shards: how many files; default: 4, or fewer for fewer images.
      workers: processes; each writes one file at a time.
      max_images: converts the first ones only.
      skip_bad: leaves out images whose files are missing or damaged, instead
        of ending with the first.
    """

    output_dir: pathlib.Path
    split: str
    shards: int | None = None
    workers: int = 1
    max_images: int | None = None
    skip_bad: bool = False


def convert_images(
    source: Source,
    settings: ConversionSettings,
    on_images: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Writes the records of one split.

    Args:
      source: what to convert.
      settings: where to, and how.
      on_images: is told how many more images are done, of how many.

    Returns:
      The summary: `dataset`, `split`, `shards`, `images` and `segments` in
      them (an iSAID patch is an image), and `skipped`, a list of `image` and
      `reason`.

    Raises:
      FileNotFoundError, ValueError: the source is incomplete, damaged or
        empty; without `skip_bad` that goes for every image.
    """
    items = source.items()[: settings.max_images]
    items, skipped = _present(items, settings)
    if not items:
        raise ValueError(f"None of the images is complete: {skipped[0][1]}")
    count = settings.shards or min(_DEFAULT_SHARDS, len(items))
    names = shards.shard_names(settings.split, count)
    shards.check_no_leftovers(
        settings.output_dir, f"{settings.split}-*-of-*.tfrecord", names
    )
    parts = shards.split_evenly(items, count)
    existed = settings.output_dir.exists()
    staging = settings.output_dir / f".{settings.split}.partial"
    _prepare(staging, _fingerprint(source, settings, items, count))
    jobs = [
        Job(staging / name, part, source, settings.skip_bad)
        for name, part in zip(names, parts, strict=True)
    ]
    try:
        counts = _run(jobs, settings.workers, on_images, len(items))
        summary = _summary(source, settings, counts, skipped)
        _publish(staging, settings, jobs, summary)
    except BaseException:
        _clean_up(staging, jobs, existed)
        raise
    return summary


def summary_text(summary: dict[str, Any], output_dir: pathlib.Path) -> str:
    """The summary in words; reasons with how many images they have."""
    text = (
        f"{summary['images']} images with {summary['segments']} segments are "
        f"in {output_dir}"
    )
    skipped = summary["skipped"]
    if not skipped:
        return text
    reasons = collections.Counter(one["kind"] for one in skipped)
    kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(reasons.items()))
    return (
        f"{text}; skipped {len(skipped)} ({kinds}), the first: "
        f"{skipped[0]['reason']} All are in {summary['split']}_summary.json."
    )


def _present(items: Sequence[AnnotatedImage], settings: ConversionSettings):
    """The items whose files are there, and the others with their reasons."""
    present, skipped = [], []
    for item in items:
        missing = item.missing_file()
        if missing is None:
            present.append(item)
        elif settings.skip_bad:
            skipped.append((item.name, missing, "missing"))
        else:
            raise FileNotFoundError(
                f"{missing} (With skip_bad the others are converted.)"
            )
    return present, skipped


def _fingerprint(source, settings, items, count: int) -> str:
    """Two conversions that agree in this write the same files."""
    files = [item.image_file for item in items]
    files += [path for item in items for path in item.label_files]
    stamps = [(os.fspath(x), x.stat().st_mtime_ns) for x in files]
    content = (source, items, stamps, count, settings.skip_bad)
    return hashlib.sha256(repr(content).encode()).hexdigest()


def _prepare(staging: pathlib.Path, fingerprint: str) -> None:
    """An empty folder, or that of the same conversion, interrupted."""
    plan = staging / "plan"
    if plan.is_file() and plan.read_text() == fingerprint:
        return
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    plan.write_text(fingerprint)


def _run(jobs, workers, on_images, total: int) -> list[ShardCount]:
    to_do = [job for job in jobs if not job.count_file.is_file()]
    kept = [job for job in jobs if job.count_file.is_file()]
    on_images(sum(len(job.items) for job in kept), total)
    run_jobs(write_shard, to_do, workers, lambda done: on_images(done, total))
    return [ShardCount.read(job.count_file) for job in jobs]


def _summary(source, settings, counts, skipped) -> dict[str, Any]:
    skipped = skipped + [one for count in counts for one in count.skipped]
    images = sum(count.images for count in counts)
    if not images:
        raise ValueError(f"No image could be converted: {skipped[0][1]}")
    return {
        "dataset": source.spec.name,
        "split": settings.split,
        "shards": len(counts),
        "images": images,
        "segments": sum(count.segments for count in counts),
        "skipped": [
            {"image": image, "reason": reason, "kind": kind}
            for image, reason, kind in skipped
        ],
    }


def _publish(staging, settings, jobs, summary) -> None:
    for job in jobs:
        if job.path.exists():  # else a run that was killed here has moved it
            os.replace(job.path, settings.output_dir / job.path.name)
    path = staging / f"{settings.split}_summary.json"
    path.write_text(json.dumps(summary, indent=1))
    os.replace(path, settings.output_dir / path.name)
    shutil.rmtree(staging)


def _clean_up(staging: pathlib.Path, jobs, existed: bool) -> None:
    """Keeps finished files; without any, nothing."""
    if any(job.count_file.is_file() for job in jobs):
        return
    shutil.rmtree(staging, ignore_errors=True)
    if not existed and not any(staging.parent.iterdir()):
        staging.parent.rmdir()
