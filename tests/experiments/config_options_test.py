import pathlib
import re

import pytest
import yaml

from axial_deeplab.experiments import config_options
from axial_deeplab.experiments.classification_configs import (
    CLASSIFICATION_EXPERIMENTS,
)
from axial_deeplab.experiments.panoptic_configs import PANOPTIC_EXPERIMENTS
from axial_deeplab.models.presets import list_models

EXPERIMENT = "axial_deeplab_shapes"
PROJECT = pathlib.Path(__file__).resolve().parents[2]


def overridden(text):
    return config_options.experiment_config(EXPERIMENT, params_override=text)


def written(folder, text, name="options.yaml"):
    path = folder / name
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    "name", [*PANOPTIC_EXPERIMENTS, *CLASSIFICATION_EXPERIMENTS]
)
def test_experiments_pass_the_checks(name):
    config = config_options.experiment_config(name)
    assert config.task.model.name in list_models()


@pytest.mark.parametrize(
    "path", sorted((PROJECT / "configs").rglob("*.yaml")), ids=str
)
def test_config_files_fit_the_experiment_they_name(path):
    """The header has the command, the hardware and the published metric."""
    header = path.read_text()
    experiment = re.search(r"--experiment=(\w+)", header)[1]
    config = config_options.experiment_config(experiment, [str(path)])
    assert config.task.train_data.input_path
    name = path.relative_to(PROJECT).as_posix()
    assert f"--config_file={name} " in header
    words = " ".join(header.replace("#", "").split())
    assert re.search("[Hh]ardware|with [0-9]+ TPU cores", words)
    assert re.search("Published.*[0-9]|[Nn]o (published )?metric", words)


def test_files_and_overrides_apply_in_order(tmp_path):
    first = written(
        tmp_path, "task: {model: {span: 5, width: 0.5}, losses: {}}\n", "1.yaml"
    )
    second = written(tmp_path, "task: {model: {width: 1e-1}}\n", "2.yaml")
    config = config_options.experiment_config(
        EXPERIMENT,
        [first, second],
        "task.model.span=7,task.train_data.crop_size_px=[65, 33],"
        "trainer.optimizer_config.ema.average_decay=0.9",
        tpu="local",
    )
    assert (config.task.model.span, config.task.model.width) == (7, 0.1)
    assert config.task.train_data.crop_size_px == [65, 33]
    assert config.trainer.optimizer_config.ema.average_decay == 0.9
    assert config.runtime.tpu == "local"
    with pytest.raises(ValueError, match="locked"):
        config.task = None


def test_override_can_be_yaml():
    config = overridden("{task: {model: {span: null, aspp: yes}}}")
    assert (config.task.model.span, config.task.model.aspp) == (None, True)


def test_written_options_read_back_are_the_same(tmp_path):
    config = overridden(
        "task.model.span=7,task.train_data.scale_range=[0.5,2],runtime.tpu=x,"
        "trainer.optimizer_config.ema.average_decay=0.9,"
        "trainer.optimizer_config.learning_rate.warmup_poly."
        "base_learning_rate=1e-7"
    )
    path = str(tmp_path / "params.yaml")
    config_options.write_option_file(config, path)
    again = config_options.experiment_config(EXPERIMENT, [path])
    assert again.as_dict() == config.as_dict()
    assert yaml.safe_load(pathlib.Path(path).read_text()) == config.as_dict()
    assert [entry.name for entry in tmp_path.iterdir()] == ["params.yaml"]


def test_empty_file_changes_nothing(tmp_path):
    path = written(tmp_path, "# nothing yet\n")
    config = config_options.experiment_config(EXPERIMENT, [path])
    assert config.as_dict() == overridden("").as_dict()


def test_unknown_experiment_is_named():
    with pytest.raises(ValueError, match="'shape'; nearest: .*_shapes"):
        config_options.experiment_config("shape")


RATE = "trainer.optimizer_config.learning_rate"


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "task.model.widht=1",
            r"override: task.model.widht: unknown option; nearest: .*width",
        ),
        ("task.num_classes=five", "task.num_classes: unknown option"),
        ("lr=0.1", "lr: unknown option; known: task, trainer, runtime"),
        (
            "trainer.optimizer_config.ema.average_decy=0.9",
            "optimizer_config.ema.average_decy: unknown .* average_decay",
        ),
        (
            "trainer.train_steps=many",
            "trainer.train_steps: expected int, got 'many'",
        ),
        ("trainer.train_steps=1e3", "train_steps: expected int, got 1000"),
        ("trainer.train_steps=true", "train_steps: expected int, got True"),
        (
            "trainer.train_steps=0",
            "trainer.train_steps: expected 1 or more, got 0",
        ),
        (
            "trainer.steps_per_loop=0",
            "steps_per_loop: expected 1 or more, got 0",
        ),
        (
            "trainer.validation_steps=0",
            "validation_steps: expected 1 or more, or -1",
        ),
        (
            "task.train_data.crop_size_px=97",
            "train_data.crop_size_px: expected a list of int, got 97",
        ),
        (
            "task.train_data.crop_size_px=[a,b]",
            r"crop_size_px\[0\]: expected int, got 'a'",
        ),
        (
            "{task: {train_data: {crop_size_px: [[1, 2]]}}}",
            r"crop_size_px\[0\]: expected int, got \[1, 2\]",
        ),
        (
            f"{RATE}.warmup_poly.base_learning_rate=fast",
            f"{RATE}.warmup_poly.base_learning_rate: expected float or null, "
            "got 'fast'",
        ),
        (
            f"{RATE}.type=quick",
            f"{RATE}.type: expected one of .*warmup_poly,.*, got 'quick'",
        ),
        (
            "task.model.aspp=1",
            "task.model.aspp: expected bool or null, got 1",
        ),
        ("task.model.name=5", "task.model.name: expected str, got 5"),
        ("task.model.span=wide", "span: expected int or null, got 'wide'"),
        ("task.model=axial", "task.model: expected a section, got 'axial'"),
        ("task.model.name.x=3", "task.model.name: expected str, got the sect"),
        ("task.train_data.block_length=2", "block_length: has no effect"),
        (
            "trainer.optimizer_config.optimizer.radam_lookahead."
            "exclude_patterns=[a,1]",
            r"lookahead.exclude_patterns\[1\]: expected str, got 1",
        ),
        (
            "trainer.optimizer_config.ema=0.9",
            "trainer.optimizer_config.ema: expected .*a section.* got 0.9",
        ),
        ("trainer.max_to_keep=null", "max_to_keep: expected int, got None"),
        ("{trainer: {1: 2}}", "trainer.1: unknown option"),
        ("runtime.run_eagerly=true", "runtime.run_eagerly: has no effect"),
        (
            "runtime.mixed_precision_dtype=half",
            "mixed_precision_dtype: expected float32, float16 or bf",
        ),
        (
            "runtime.mixed_precision_dtype=float16,runtime.loss_scale=big",
            "runtime.loss_scale: expected dynamic or a positive .* got 'big'",
        ),
        ("runtime.loss_scale=8", "runtime.loss_scale: has no effect here"),
        ("just words", "--params_override holds no options .*'just words'"),
        ("[1, 2]", "--params_override holds no options"),
        (
            "task.train_data.input_path=*.tfrecord",
            "--params_override is malformed: line 1.*need quotes",
        ),
    ],
)
def test_bad_override_is_named(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        overridden(text)
    assert "\n" not in f"{caught.value}"


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "task:\n  model:\n    widht: 3\n",
            "options.yaml: task.model.widht: unknown option",
        ),
        ("task: {model: [1,\n x: 3\n", "is malformed: line 3, expected ','"),
        ("- a\n- b\n", "holds no options like"),
        (
            "trainer: {train_steps: five}",
            "yaml: trainer.train_steps: expected int, got 'five'",
        ),
        ("3: 4", "yaml: 3: unknown option"),
    ],
)
def test_bad_file_is_named(tmp_path, text, message):
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=message) as caught:
        config_options.experiment_config(EXPERIMENT, [path])
    assert path in f"{caught.value}"
    assert "\n" not in f"{caught.value}"


def test_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "options.yaml"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ValueError, match="options.yaml is no YAML file"):
        config_options.experiment_config(EXPERIMENT, [str(path)])


def test_missing_file_is_named(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(FileNotFoundError, match=f"file {path}"):
            config_options.experiment_config(EXPERIMENT, [str(path)])


def test_the_schedule_ends_with_the_training():
    config = overridden("trainer.train_steps=7")
    rate = config.trainer.optimizer_config.learning_rate.warmup_poly
    assert rate.total_steps == 7
