import pytest
from absl import flags

import axial_deeplab
from axial_deeplab.costs.table_rows import Row, Table
from axial_deeplab.export import latency
from tools import benchmark_models

TABLE = Table(
    "Some models",
    "top-1",
    (64, 96),
    (
        Row("First", "axial_deeplab_xs_backbone", {}, 1.3, 0.5, "70.0"),
        Row("Second", "no_such_model", {"width": 2}, 44.0),
        Row("Third", "axial_deeplab_xs_backbone", {"depth": 3}),
        Row("Fourth", None, {}, 3.0, 4.0),
    ),
)


def _flags(*arguments):
    values = flags.FlagValues()
    benchmark_models.define_flags(values)
    values(["benchmark_models", *arguments])
    return values


@pytest.fixture
def text(monkeypatch):
    monkeypatch.setitem(benchmark_models.TABLES, "1", TABLE)
    return benchmark_models.work(_flags("--table=1"))


def test_table_has_a_line_for_each_row(text):
    title, _, heading, first, second, *_ = text.splitlines()
    assert title == "Some models, 64x96"
    assert heading.split()[-1] == "top-1" and "M-Adds, B" in heading
    words = first.split()
    assert words[:3] == ["First", "axial_deeplab_xs_backbone", "1,267,056"]
    # The paper's account, in millions, and what agrees.
    assert words[3] == "1,257,088" and words[4:6] == ["1.3", "yes"]
    assert words[-3:] == ["0.5", "no", "70.0"]
    assert second.split() == [
        *("Second", "no_such_model", "width=2"),
        *("-", "-", "44.0", "-", "-", "-", "-", "-", "-"),
    ]


def test_what_cannot_be_counted_is_said(text):
    lines = text.splitlines()[-3:]
    assert lines[0].startswith("not counted: no_such_model width=2: Unknown")
    assert "Unknown option depth" in lines[1]
    assert lines[2] == "not counted: Fourth: no model of this package."


def test_columns_are_aligned(text):
    heading, first, second = text.splitlines()[2:5]
    end = heading.index("trainable") + len("trainable")
    assert first[:end].endswith(" 1,267,056") and first[end] == " "
    assert second[:end].endswith(" -") and second[end] == " "
    start = heading.index("model")
    assert first[start:].startswith("axial_") and first[start - 1] == " "


def test_markdown_has_the_same_cells(monkeypatch):
    monkeypatch.setitem(benchmark_models.TABLES, "1", TABLE)
    heading, rule, first, *others = benchmark_models.work(
        _flags("--table=1", "--format=markdown")
    ).splitlines()
    assert rule.count("|") == heading.count("|") == first.count("|")
    assert first.startswith(
        "| First | `axial_deeplab_xs_backbone` | 1,267,056 |"
    )
    assert [line.split()[1] for line in others] == ["Second", "Third", "Fourth"]


def test_models_are_counted_at_their_size():
    """Of one image, with the sizes of features that layers give them."""
    line = benchmark_models.work(
        _flags(
            *("--models=axial_deeplab_xs_b*", "--size=33x47"),
            "--options=output_stride=16,span=3",
        )
    ).splitlines()[-1]
    assert line.startswith("axial_deeplab_xs_backbone output_stride=16 span=3 ")
    assert "1,267,056" in line and line.count("-") == 0


@pytest.mark.parametrize(
    "arguments, error",
    [
        ([], "either --table or --models"),
        (["--table=1", "--models=*"], "either --table or --models"),
        (["--models=resnet_50,resnext*"], "name like 'resnext.*shows all"),
        (["--models=*", "--size=224"], "--size.*HEIGHTxWIDTH.*'224'"),
        (["--models=*", "--size=0x224"], "--size must have pixels"),
        (["--models=*", "--options=span"], "name=value pairs; got 'span'"),
    ],
)
def test_bad_arguments_are_errors(arguments, error):
    with pytest.raises(ValueError, match=error):
        benchmark_models.work(_flags(*arguments))


def test_training_is_measured_as_given_and_with_each_variant():
    values = _flags(
        *("--train", "--models=axial_deeplab_x*s_cl*", "--size=33x47"),
        *("--options=num_classes=9", "--batch=4"),
        "--variants=replicas=2,size=17x17,dtype=bfloat16,span=3",
    )
    (cases,) = benchmark_models.select_cases(values)
    assert {case.model for case in cases} == {"axial_deeplab_xs_classifier"}
    first, *others = cases
    assert first.batch == 4 and first.size_px == (33, 47)
    assert [case.label for case in others] == [
        *("replicas=2", "size=17x17", "dtype=bfloat16", "span=3")
    ]
    assert others[3].options == {"num_classes": 9, "span": 3}


@pytest.mark.parametrize("arguments", [[], ["--models=*", "--table=1"]])
def test_latency_is_of_named_models(arguments):
    with pytest.raises(ValueError, match="need --models, and take no --table"):
        benchmark_models.work(_flags("--latency", *arguments))


@pytest.mark.parametrize(
    "arguments, error",
    [
        ([], "--train, --latency and --parts need --models"),
        (["--models=*", "--table=1"], "take no --table"),
        (["--models=axial_deeplab_xs", "--variants=span"], "--variants must"),
        (["--models=axial_deeplab_xs", "--batch=3"], "2 replicas.*batch of 3"),
    ],
)
def test_bad_arguments_of_training_are_errors(arguments, error):
    with pytest.raises(ValueError, match=error):
        benchmark_models.work(_flags("--train", *arguments))


def test_latency_has_a_row_for_each_model_as_it_comes(monkeypatch, tmp_path):
    """And each model is made once."""
    path, before, made = tmp_path / "latency.txt", [], []

    def prepare(name, options):
        made.append(name)
        return name

    def measure(prepared, case, repeats, on_turn):
        assert prepared == case.model
        before.append(path.read_text() if path.exists() else "")
        on_turn()
        return {side: [0.5] * repeats for side in latency.SIDES}

    monkeypatch.setattr(latency, "Prepared", prepare)
    monkeypatch.setattr(latency, "measure", measure)
    text = benchmark_models.work(
        _flags(
            *("--latency", "--images=1x33x47,8x9x9", "--repeats=2"),
            "--models=segnext_t*e,axial_deeplab_x[sl]",
            f"--output_file={path}",
        )
    )
    names = ["segnext_t_backbone", "axial_deeplab_xl", "axial_deeplab_xs"]
    rows = [f"{name}  {end}" for name in names for end in ("33x47", "9x9")]
    assert made == names
    for count, content in enumerate(before):
        words = [line.split()[:3] for line in content.splitlines()]
        found = [
            f"{one[0]}  {one[1]}"
            for one in words
            if one[0:1] and one[0] in names
        ]
        assert found == rows[:count]
    assert len(before) == 6 and path.read_text() == f"{text}\n"
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ("9x9", "--images must be BATCHxHEIGHTxWIDTH; got '9x9'"),
        ("1x9x9,x9x9", "BATCHxHEIGHTxWIDTH; got 'x9x9'"),
        ("0x9x9", "BATCHxHEIGHTxWIDTH"),
        ("1x0x9", "--images must have pixels"),
    ],
)
def test_bad_images_of_latency_are_named(images, words):
    values = _flags("--models=axial_deeplab_xs", f"--images={images}")
    with pytest.raises(ValueError, match=words):
        benchmark_models.select_latency_cases(values)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--parts", "--output_file=a"), "--output_file is for --latency"),
        (("--images=1x9x9",), "--images is for --latency"),
        (("--latency", "--output_file=/no/such/a"), "/no/such is no folder"),
        (("--train", "--variants=size=9"), "--variants=size must be HEI.*'9'"),
    ],
)
def test_unfit_flags_are_refused_before_the_work(given, words):
    with pytest.raises((ValueError, OSError), match=words):
        benchmark_models.work(_flags("--models=axial_deeplab_xs", *given))


def test_convolutions_are_measured_beside_the_forward_pass():
    lines = benchmark_models.work(
        _flags(
            *("--parts", "--models=axial_deeplab_xs", "--size=129x129"),
            *("--repeats=1", "--batch=1"),
        )
    ).splitlines()
    last = next(i for i, line in enumerate(lines) if "forward / conv" in line)
    convolutions, forward, ratio = (
        lines[i].split() for i in range(last - 2, last + 1)
    )
    shares = [float(line[-1]) for line in (convolutions, forward)]
    assert 0 < shares[0] and shares[1] == 1.0
    # Printed with two digits behind the point, shares with three.
    quotient = float(ratio[-1])
    rounding = 0.005 * shares[0] + 0.0005 * quotient + 1e-5
    assert abs(quotient * shares[0] - 1) < rounding


@pytest.mark.large
def test_training_steps_are_measured():
    """Three processes; one has two replicas, which reduce what they must."""
    lines = benchmark_models.work(
        _flags(
            *("--train", "--models=axial_deeplab_xs", "--size=33x33"),
            *("--repeats=1", "--variants=replicas=2,accumulation=2"),
        )
    ).splitlines()
    # Images, replicas, seconds, images a second, megabytes, those reduced.
    one, two, parts = (line.split("33x33")[1].split() for line in lines[3:6])
    assert one[:2] == ["2", "1"] and two[:2] == ["2", "2"]
    assert float(parts[4]) > 0
    model = axial_deeplab.create_model("axial_deeplab_xs")
    gradients = sum(w.shape.num_elements() for w in model.trainable_weights)
    megabytes = 4 * gradients / 1e6
    assert megabytes < float(two[5]) < 1.1 * megabytes
    assert float(one[5]) == 0


def test_unknown_table_is_an_error():
    with pytest.raises(flags.Error, match="table"):
        _flags("--table=3")


def test_options_are_python_values_or_strings():
    parse = benchmark_models.parse_option
    assert parse("span=65") == ("span", 65)
    assert parse("aspp=True") == ("aspp", True)
    assert parse("span=None") == ("span", None)
    assert parse("decoder=axial") == ("decoder", "axial")
