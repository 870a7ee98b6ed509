"""Settings by a model: what is wrong is named, and never shown."""

from __future__ import annotations

import pytest

from sessions_vtab.contract.source import Source
from sessions_vtab.errors import ConfigurationError
from sessions_vtab.fetch.options import KeyOptions, validated, with_prefix


class Model(KeyOptions):
    base_url: str
    size: int = 10


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "Source x: base_url: this setting is required. Settings of demo: api_key_env"),
        ({"base_url": "u", "sise": 1}, "sise: there is no such setting. Did you mean size[?]"),
        ({"base_url": "u", "size": "canary"}, "size: Input should be a valid integer"),
        ({"base_url": "u", "api_key_env": "canary", "api_key_file": "f"}, "two credentials; keep"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(options, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        validated(Source("x", "demo", "", options), Model)
    assert "canary" not in str(caught.value)


def test_a_key_is_named_by_its_place_or_absent():
    source = Source("x", "demo", "", {"base_url": "u", "api_key_env": "KEY"})
    assert str(validated(source, Model).secret) == "$KEY"
    assert Model(base_url="u").secret is None


@pytest.mark.parametrize(
    ("base", "prefix", "whole"),
    [
        ("http://h", "/api/v1", "http://h/api/v1"),
        ("http://h/", "api/v1/", "http://h/api/v1"),
        ("http://h/api/v1/", "/api/v1", "http://h/api/v1"),
        ("http://h/x", "/", "http://h/x"),
    ],
)
def test_a_prefix_is_there_once(base, prefix, whole):
    assert with_prefix(base, prefix) == whole
