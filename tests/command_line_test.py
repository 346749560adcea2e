import signal
import subprocess
import sys

import pytest
import tensorflow as tf

from axial_deeplab import command_line

# The module by its path: its package would load TensorFlow, seconds a tool.
TOOL = """
import importlib.util
import sys
import time
from absl import flags, logging

spec = importlib.util.spec_from_file_location("command_line", sys.argv.pop(1))
command_line = importlib.util.module_from_spec(spec)
spec.loader.exec_module(command_line)

class OpError(Exception):
    message = "{{function_node __wrapped__X}} no such record [Op:Next] name: "

flags.DEFINE_bool("of_library", False, "Nothing of the tool's.")

def define_flags(values):
    command_line.define_scale_flags(values)
    flags.DEFINE_string("fails", "", "How.", flag_values=values)
    flags.DEFINE_integer("count", 1, "Of.", flag_values=values, lower_bound=1)

def work(values):
    logging.info("absl says this")
    logging.warning("absl warns")
    if values.fails == "wait":
        print("waiting", flush=True)
        time.sleep(60)
    raised = {
        "key": KeyError("an id\\n   of no segment"),
        "silent": ZeroDivisionError(),
        "tensorflow": OpError("wrapped"),
        "gin": ValueError(
            "no such size\\n  In call to configurable 'Trainer' "
            "(<class 'official.Trainer'>)"
        ),
        "traced": ValueError(
            "in user code:\\n\\n    File 'a.py', line 3, in f\\n"
            "        g(x)\\n\\n    ValueError: too small\\n"
        ),
    }
    if values.fails:
        raise raised[values.fails]
    return f"counted {values.count}"

# As some libraries do on import.
logging.set_verbosity(logging.INFO)
command_line.run_tool(work, define_flags)
"""


@pytest.fixture(scope="module")
def tool(tmp_path_factory):
    path = tmp_path_factory.mktemp("tool") / "count.py"
    path.write_text(TOOL)
    return [sys.executable, str(path), command_line.__file__]


def run(tool, *arguments):
    return subprocess.run(
        [*tool, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def errors(done):
    """Lines of a refusal, without what the library warned of."""
    assert done.returncode == 2 and not done.stdout
    return [x for x in done.stderr.splitlines() if "absl warns" not in x]


def test_prints_what_the_work_returns(tool):
    done = run(tool, "--count=3")
    assert (done.returncode, done.stdout) == (0, "counted 3\n")


def test_help_shows_the_flags_of_other_modules_that_the_tool_defines(tool):
    text = run(tool, "--help").stdout
    assert "--count" in text and "--scales" in text and "--[no]flip" in text


def test_shows_warnings_of_libraries_and_more_on_demand(tool):
    quiet, loud = run(tool), run(tool, "--verbosity=0")
    assert "absl warns" in quiet.stderr and "absl says" not in quiet.stderr
    assert "absl warns" in loud.stderr and "absl says this" in loud.stderr


@pytest.mark.parametrize(
    "arguments, line",
    [
        (["--fails=key"], "count.py: an id of no segment"),
        (["--fails=silent"], "count.py: ZeroDivisionError"),
        (["--fails=tensorflow"], "count.py: no such record"),
        (["--fails=gin"], "count.py: no such size"),
        (["--fails=traced"], "count.py: ValueError: too small"),
        (["12"], "count.py: unexpected argument '12'; see --help"),
    ],
)
def test_failure_is_one_line(tool, arguments, line):
    assert errors(run(tool, *arguments)) == [line]


@pytest.mark.parametrize(
    "arguments, named",
    [
        (["--colour=1"], "'colour'"),
        (["--count=many"], "--count=many"),
        (["--count=0"], "--count=0"),
        (["--fails"], "fails"),
    ],
)
def test_bad_flag_is_one_line(tool, arguments, named):
    (line,) = errors(run(tool, *arguments))
    assert line.startswith("count.py: ") and line.endswith("; see --help")
    assert named in line


def test_verbosity_adds_the_traceback(tool):
    lines = errors(run(tool, "--fails=key", "--verbosity=1"))
    assert lines[-1] == "count.py: an id of no segment"
    assert any(line.startswith("Traceback") for line in lines)
    assert any("in work" in line for line in lines)


def test_interrupt_is_one_line(tool):
    with subprocess.Popen(
        [*tool, "--fails=wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background ignores interrupts.
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.default_int_handler
        ),
    ) as process:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        stderr = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert stderr.splitlines()[-1] == "count.py: interrupted"
    assert "Traceback" not in stderr


def checked(value):
    check = tf.debugging.Assert(value > 0, ["the value is too small:", value])
    with tf.control_dependencies([check]):
        return tf.identity(value)


def assert_message(function, *args):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        function(*args)
    text = command_line.unwrapped(caught.value.message)
    assert text == "assertion failed: [the value is too small:] [0]"


def test_tensorflow_messages_lose_their_wrapping():
    dataset = tf.data.Dataset.from_tensors(0).map(checked)
    assert_message(list, dataset)
    assert_message(tf.function(lambda it: next(it)), iter(dataset))

    branch = tf.function(
        lambda x: tf.cond(x < 9, lambda: checked(x), lambda: x)
    )
    assert_message(branch, tf.constant(0))


def test_first_of_several_errors_is_shown():
    message = (
        "Graph execution error:\n\n"
        "Detected at node Assert defined at (most recent call last):\n"
        '  File "a.py", line 3, in <module>\n\n'
        "2 root error(s) found.\n"
        "  (0) INVALID_ARGUMENT: no such image\n"
        "\t [[{{node Assert}}]]\n"
        "  (1) CANCELLED: step was cancelled\n"
        "0 successful operations.\n"
        "0 derived errors ignored. [Op:__inference_f_1]"
    )
    assert command_line.unwrapped(message) == "no such image"


def test_message_that_is_all_wrapping_is_kept():
    assert command_line.unwrapped("  indented") == "  indented"
