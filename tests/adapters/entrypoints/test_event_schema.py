"""The catalogue as JSON Schema: what is stored is an instance of what is printed."""

import json
from typing import Any

import jsonschema
import pytest

from fillwright.domain.events import CATALOGUE
from fillwright.domain.ops import OPS_CATALOGUE
from tools.golden_events import GOLDEN, GOLDEN_OPS

from .conftest import Cli


@pytest.fixture
def schema(cli: Cli) -> Any:
    done = cli("events", "--schema")
    assert done.code == 0, done.err
    return done.json


def test_every_topic_is_in_it_and_it_is_a_schema(schema: Any) -> None:
    assert set(schema["events"]) == set(CATALOGUE)
    assert set(schema["records"]) == set(OPS_CATALOGUE)
    jsonschema.Draft202012Validator.check_schema(schema)


def test_the_golden_bytes_are_instances_and_changed_ones_are_not(schema: Any) -> None:
    for folder, kind in ((GOLDEN, "events"), (GOLDEN_OPS, "records")):
        for topic, reference in schema[kind].items():
            validator = jsonschema.Draft202012Validator(
                {"$schema": schema["$schema"], **reference, "$defs": schema["$defs"]}
            )
            stored = json.loads((folder / f"{topic}.json").read_bytes())
            validator.validate(stored)
            for name in ("record_time", "actor"):
                changed = {**stored, name: ["wrong"]}
                assert not validator.is_valid(changed), (topic, name)
            assert not validator.is_valid({**stored, "unknown": 1}), topic
