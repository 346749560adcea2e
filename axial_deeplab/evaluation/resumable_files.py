"""COCO-panoptic files of a run that may be interrupted and go on."""

import json
import os
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np

from axial_deeplab.data.dataset_specs import DatasetSpec
from axial_deeplab.evaluation.result_files import PanopticResultWriter

JOURNAL = "journal.jsonl"


class ResumableResults:
    """A `PanopticResultWriter` whose files appear together, at the end.

    Until then they lie in a hidden folder beside `output_dir`, which also
    takes whatever else belongs to an image (write that first). A journal with
    a line an image says how far a run came: an interrupted one leaves the
    folder, for `resume`. Use it as a context manager.

    Args:
      output_dir: folder to write to; entries of the same name are replaced.
      spec: class table of the maps.
      made_by: what the results depend on, as JSON knows it; a run goes on
        only from results of the same.
      resume: go on from an interrupted or a finished run, if there is one;
        else begin anew.
      name: of the JSON file and the folder of the PNGs.

    Raises:
      NotADirectoryError: `output_dir` is a file.
      ValueError: what is there was made by something else.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike,
        spec: DatasetSpec,
        made_by: dict[str, Any],
        resume: bool = False,
        name: str = "predictions",
    ):
        self.output_dir = pathlib.Path(output_dir)
        if self.output_dir.exists() and not self.output_dir.is_dir():
            raise NotADirectoryError(f"{output_dir} is no folder.")
        self.folder = self.output_dir.with_name(
            f".{self.output_dir.name}.partial"
        )
        entries = []
        if not resume:
            shutil.rmtree(self.folder, ignore_errors=True)
        elif self.folder.exists():
            entries = self._read_journal(self.folder, made_by)
        else:
            entries = self._read_journal(self.output_dir, made_by)
            if entries:
                self._take_back()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._writer = PanopticResultWriter(self.folder, spec, name)
        self.done: set[str] = set()
        # Written anew: the last line may be torn.
        with open(self.folder / JOURNAL, "w", encoding="utf-8") as journal:
            journal.write(json.dumps(made_by) + "\n")
        for entry in entries:
            self._writer.restore(entry)
            self._note(entry)

    def add(
        self,
        image_id: str,
        panoptic_map: np.ndarray,
        scores: Mapping[int, float] | None = None,
    ) -> None:
        """Writes an image, as `PanopticResultWriter.add`; it is then done."""
        self._writer.add(image_id, panoptic_map, scores)
        self._note(self._writer.last_entry())

    def __enter__(self) -> "ResumableResults":
        return self

    def __exit__(self, error_type: type | None, *_) -> None:
        if error_type is None:
            self._appear(self._writer.close())
        elif not self.done:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _note(self, entry: dict[str, Any]) -> None:
        with open(self.folder / JOURNAL, "a", encoding="utf-8") as journal:
            journal.write(json.dumps(entry) + "\n")
        self.done.add(pathlib.Path(entry["image"]["file_name"]).stem)

    def _read_journal(
        self, folder: pathlib.Path, made_by: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """What was noted of each image, without the head of the journal."""
        path = folder / JOURNAL
        if not path.is_file():
            return []
        entries = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                entries.append(json.loads(line))
            except ValueError:
                break  # torn by the interruption
        if not entries:
            return []
        # As JSON has it: tuples are lists there.
        if entries[0] != json.loads(json.dumps(made_by)):
            raise ValueError(
                f"The results for {self.output_dir} cannot be resumed: they "
                f"were made by {entries[0]}, now it is {made_by}."
            )
        return entries[1:]

    def _take_back(self) -> None:
        """Links what a finished run left, to go on from there."""
        shutil.copytree(
            self.output_dir, self.folder, copy_function=_link_or_copy
        )
        # Written in place, so it must be no link.
        (self.folder / JOURNAL).unlink()

    def _appear(self, json_file: pathlib.Path) -> None:
        self.output_dir.mkdir(parents=True, exist_ok=True)
        replaced = self.folder / ".replaced"
        replaced.mkdir(exist_ok=True)
        # The JSON file last: with it a result is complete.
        entries = [one for one in self.folder.iterdir() if one != replaced]
        for entry in sorted(entries, key=lambda one: one == json_file):
            target = self.output_dir / entry.name
            if target.exists():
                os.replace(target, replaced / entry.name)
            os.replace(entry, target)
        shutil.rmtree(self.folder)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
