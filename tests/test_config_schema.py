"""`rollout config schema`: an editor marks what the loader would refuse, and nothing that it takes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML

from rollout.cli import template
from rollout.config import Config
from rollout.config.schema import schema
from tests.cli.run import rollout
from tests.json_schema import fits

SCHEMA = schema(Config)
ROOT = Path(__file__).parent.parent
LEAST = {"cluster": "eks-demo", "region": "eu-west-1", "groups": ["workers"]}


def read(text: str) -> Any:
    return YAML(typ="safe").load(io.StringIO(text))


def examples() -> Iterator[Any]:
    whole = template.example().replace("REPLACE_ME", "mine")
    yield pytest.param(whole, id="config init")
    yield pytest.param(template.for_seed("env", "123456789012"), id="config init --seed-names")
    yield pytest.param((ROOT / "deploy/kubernetes/rollout.yaml").read_text(), id="deploy/kubernetes")


def takes(fields: dict[str, Any]) -> bool:
    """Tell whether the loader takes these fields, beside those that must be given."""
    try:
        Config.model_validate(LEAST | fields)
    except ValidationError:
        return False
    return True


def test_prices_are_numbers_by_type() -> None:
    """Whole ones too."""
    fields = {"prices": {"m5.large": 0.107, "u-6tb1.metal": 46}}
    assert Config.model_validate(LEAST | fields).prices == fields["prices"]
    assert fits(LEAST | fields, SCHEMA)


@pytest.mark.parametrize("text", list(examples()))
def test_documented_examples_fit(text: str) -> None:
    """What we hand out is never marked as wrong."""
    assert fits(read(text), SCHEMA)


def test_every_default_fits() -> None:
    """A default, as the schema tells it, may be typed into the file; the loader then reads the default."""
    sections = [SCHEMA, *SCHEMA["$defs"].values()]
    defaults = [one for section in sections for one in section.get("properties", {}).values() if "default" in one]
    assert len(defaults) > 20
    assert all(fits(one["default"], one, SCHEMA) for one in defaults)
    typed = {name: one["default"] for name, one in SCHEMA["properties"].items() if one.get("default") is not None}
    assert Config.model_validate(LEAST | typed) == Config.model_validate(LEAST)


@pytest.mark.parametrize(
    "fields",
    [
        {"autoscaler": None},
        {"autoscaler": "off"},
        {"autoscaler": {"namespace": "Kube System"}},
        {"deadlines": {"drain": 30}},
        {"deadlines": {"drain": "30"}},
        {"deadlines": {"drain": "0s"}},
        {"deadlines": {"drian": "2h"}},
        {"drain": None},
        {"drain": {"max_draining": 0}},
        {"drain": {"on_deadline": "kill"}},
        {"surge": "0%"},
        {"surge": 0},
        {"surge": True},
        {"protected": {"kinds": []}},
        {"protected": {"namespaces": ["a", "a"]}},
        {"protected": {"labels": {"a b": "c"}}},
        {"protected": {"labels": {"a": "c d"}}},
        {"groups": []},
        {"groups": "workers"},
        {"account": 123456789012},
        {"processes": ["Launch"]},
        {"database": "sqlite:///relative.db"},
        {"access": {"endpoint_url": "ftp://here"}},
        {"share_templates": "perhaps"},
        {"prices": {"m5": 1}},
        {"prices": {"m5.large": -0.1}},
        {"prices": {"m5.large": "cheap"}},
        {"prices": {"m5.large": None}},
        {"metrics": {"textfile": "rollout.txt"}},
        {"metrics": {"textfile": ".prom"}},
        {"metrics": {"listen": "9464"}},
        {"on_not_ready": "force"},
        {"unknown": 1},
    ],
    ids=str,
)
def test_both_refuse(fields: dict[str, Any]) -> None:
    """Unknown keys, wrong types, texts of a wrong form, numbers and lists out of bounds."""
    assert not takes(fields)
    assert not fits(LEAST | fields, SCHEMA)


@pytest.mark.parametrize("name", sorted(LEAST))
def test_both_refuse_a_file_without(name: str) -> None:
    """What has no default must be given."""
    fields = {key: value for key, value in LEAST.items() if key != name}
    assert not fits(fields, SCHEMA)
    with pytest.raises(ValidationError):
        Config.model_validate(fields)


@given(st.from_regex(r"([0-9]{1,3}d)?([0-9]{1,3}h)?([0-9]{1,3}m)?([0-9]{1,3}s)?", fullmatch=True) | st.text("059dhms."))
def test_a_duration_is_one_for_both(text: str) -> None:
    """But for the longest, which only the loader knows."""
    fields = {"patience": text}
    taken, fitting = takes(fields), fits(LEAST | fields, SCHEMA)
    assert fitting or not taken
    assert taken or not fitting or "d" in text or "h" in text or "m" in text


@given(st.integers(-1, 10_001) | st.from_regex(r"[0-9]{0,4}%?", fullmatch=True) | st.booleans())
def test_a_surge_is_one_for_both(value: Any) -> None:
    """A whole number, or a percentage as a text."""
    assert takes({"surge": value}) is fits(LEAST | {"surge": value}, SCHEMA)


@given(st.text("aZ09-_./:@ é", max_size=70), st.sampled_from(["cluster", "namespaces", "key", "labels", "account"]))
def test_a_text_has_the_form_that_both_know(text: str, where: str) -> None:
    """Names, keys and labels: one pattern stands for both."""
    forms: dict[str, dict[str, Any]] = {
        "cluster": {"cluster": text},
        "account": {"account": text},
        "namespaces": {"protected": {"namespaces": [text]}},
        "labels": {"protected": {"labels": {"a": text}}},
        "key": {"taint": {"key": text}},
    }
    fields = forms[where]
    assert takes(fields) is fits(LEAST | fields, SCHEMA)


@pytest.mark.parametrize(
    "fields",
    [
        {"cluster": "${CLUSTER}"},
        {"groups": ["${GROUP:-workers}"]},
        {"parallel": "${N}"},
        {"share_templates": "${YES}"},
        {"surge": "${SURGE}"},
        {"deadlines": {"drain": "${HOURS}h"}},
        {"drain": {"on_deadline": "${END}"}},
        {"database": "postgresql://me:${PASSWORD}@db/rollout"},
    ],
    ids=str,
)
def test_a_reference_may_stand_everywhere(fields: dict[str, Any]) -> None:
    """What the environment holds is not known to an editor."""
    assert fits(LEAST | fields, SCHEMA)


def test_the_command_prints_it(tmp_path: Path) -> None:
    """The schema and nothing else: it is sent to a file. No configuration is needed."""
    ended = rollout("config", "schema", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out) == SCHEMA
