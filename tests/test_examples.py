"""The example programs, each run as a process with few epochs where it has many, and what they must print."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mnist_data import needs_mnist

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(name, *args):
    """What an example prints; it must end well and print no complaint."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *map(str, args)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def numbers(pattern, text):
    """Every match of the pattern as floats, one row a match."""
    found = re.findall(pattern, text)
    return np.array([[float(cell.replace(",", "")) for cell in np.atleast_1d(row)] for row in found])


@needs_mnist
def test_the_keras_program_reaches_97_percent_on_mnist():
    output = run("01_digits_deep.py")
    assert re.search(r"dense \(Dense\).*100,480", output)
    assert re.search(r"109,386", output)
    assert numbers(r"test accuracy (\S+)", output)[-1, 0] >= 0.97


@needs_mnist
def test_by_hand_in_numpy_learns_its_thousand_rows():
    curve = numbers(r"loss (\S+)  accuracy (\S+)", run("02_by_hand_numpy.py"))
    assert len(curve) == 10
    assert (np.diff(curve[:, 0]) < 0).all()
    assert curve[-1, 1] > 0.85


@needs_mnist
def test_by_hand_in_fastbp_gives_the_same_numbers_as_numpy_and_prints_both_speeds():
    output = run("02_by_hand_fastbp.py")
    curve = numbers(r"loss (\S+)  accuracy (\S+)", output)
    assert len(curve) == 20
    np.testing.assert_allclose(curve[:10, 0], curve[10:, 0], atol=2e-3)  # float32, 320 steps
    np.testing.assert_allclose(curve[:10, 1], curve[10:, 1], atol=2e-3)  # two rows of a thousand
    speeds = numbers(r"([\d,]+) rows a second", output)
    assert len(speeds) == 2
    assert (speeds > 0).all()


def test_two_moons_loss_is_flat_by_epoch_300_and_the_pictures_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    output = run("03_two_moons.py", tmp_path)
    losses = {
        int(e): (train, test) for e, train, test in numbers(r"epoch +(\d+)  train loss (\S+)  test loss (\S+)", output)
    }
    assert losses[1][0] > losses[300][0]
    assert losses[300][0] - losses[400][0] < 0.005
    assert abs(losses[400][1] - losses[400][0]) < 0.05
    assert numbers(r"test accuracy (\S+)", output)[0, 0] > 0.8
    for name in ("two_moons_loss.png", "two_moons_regions.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


@needs_mnist
def test_gradients_vanish_in_deep_sigmoids_and_get_through_their_twin(tmp_path):
    pytest.importorskip("matplotlib")
    output = run("06_gradient_flow.py", tmp_path / "flow.svg")
    plain, cured = re.findall(r"(?:sigmoid|twin): test accuracy (\S+); (.*)", output)
    assert float(plain[0]) < 0.2 < 0.9 < float(cured[0])
    assert plain[1].startswith("gradients vanish")
    assert cured[1] == "nothing found"
    assert (tmp_path / "flow.svg").read_bytes().startswith(b"<?xml")


def test_yes_no_network_learns_its_question_and_its_gradients_are_right():
    output = run("04_yes_no.py")
    losses = numbers(r"epoch +\d+  loss (\S+)", output)[:, 0]
    assert losses[-1] < losses[0] / 4
    assert "0.2 + 0.3 > 1?  no" in output
    assert "0.9 + 0.8 > 1?  yes" in output
    assert "gradient check: ok" in output
    assert numbers(r"relative error (\S+)", output)[0, 0] < 1e-6


def test_one_step_reproduces_the_table_of_the_tutorial():
    output = run("05_one_step.py")

    def row(title):
        return [float(cell) for cell in re.search(rf"^{title} +(.*)$", output, re.MULTILINE)[1].split(", ")]

    assert row("outputs before") == [0.694, 0.718]
    assert row("error before") == [0.4434]
    assert row("second layer after") == [0.458, 0.560, 0.658, 0.760]
    assert row("first layer after") == [0.099, 0.199, 0.298, 0.398]
    assert row("first bias after, shared") == [0.307]
    assert row("outputs after") == [0.649, 0.676]  # worked independently in NumPy
    assert "0.667 and 0.693" in output


def test_one_step_prints_every_quantity_by_name():
    printed = re.findall(r"^ *(\w+) = ", run("05_one_step.py"), re.MULTILINE)
    assert {"Z1", "A1", "Z2", "A2", "dA2", "dZ2", "dW2", "db2", "dA1", "dZ1", "dW1", "db1"} <= set(printed)
