"""The flags by which tools name an experiment."""

from absl import flags
from official.core import config_definitions as cfg

from axial_deeplab.experiments.config_options import experiment_config


def define_experiment_flags(
    values: flags.FlagValues, required: bool = True
) -> None:
    """Adds the flags that name and change an experiment.

    Args:
      values: what to add to.
      required: whether the tool cannot do without an experiment.
    """
    flags.DEFINE_string(
        "experiment",
        None,
        "Name of a registered experiment.",
        flag_values=values,
        required=required,
    )
    flags.DEFINE_multi_string(
        "config_file",
        [],
        "YAML files that change the experiment, applied in order.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "params_override",
        "",
        "Changes after the files: a.b=1,c.d=2 or a YAML string.",
        flag_values=values,
    )
    flags.DEFINE_string("tpu", "", "Address of a TPU.", flag_values=values)


def config_from_flags(values: flags.FlagValues) -> cfg.ExperimentConfig:
    """The experiment that the flags describe.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the experiment, a file or an option is unknown or unfit.
    """
    return experiment_config(
        values.experiment,
        values.config_file,
        values.params_override,
        values.tpu,
    )
