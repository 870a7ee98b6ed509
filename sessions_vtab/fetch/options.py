"""A backend's own settings: validated by a pydantic model, with errors that name the setting."""

from __future__ import annotations

from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sessions_vtab.contract.messages import did_you_mean
from sessions_vtab.contract.source import Source
from sessions_vtab.errors import ConfigurationError
from sessions_vtab.fetch.auth import Secret


class Options(BaseModel):
    """Base of the settings of a backend; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid")


class KeyOptions(Options):
    """Settings that name an API key: by environment variable, or by file.

    Attributes:
        api_key_env: name of the variable.
        api_key_file: path of the file.
    """

    api_key_env: str | None = None
    api_key_file: str | None = None

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if self.api_key_env and self.api_key_file:
            msg = "api_key_env and api_key_file give two credentials; keep only one"
            raise ValueError(msg)
        return self

    @property
    def secret(self) -> Secret | None:
        """Where the key is; None if none is named."""
        if not (self.api_key_env or self.api_key_file):
            return None
        return Secret(self.api_key_env or "", self.api_key_file or "")


class OpenOptions(Options):
    """Settings of a source whose service takes no credential.

    Attributes:
        base_url: where the service is.
        api_prefix: the API's own path below it.
        routes: method and path of endpoints that are elsewhere, by name.
    """

    base_url: str | None = None
    api_prefix: str = ""
    routes: dict[str, str] = Field(default_factory=dict)

    @property
    def secret(self) -> Secret | None:
        """Where the credential is; None if none is named."""
        return None


class RestOptions(KeyOptions, OpenOptions):
    """Settings that most REST sources have: those of ``OpenOptions``, and an API key."""


O = TypeVar("O", bound=Options)  # noqa: E741  # As F for frames.


def validated(source: Source, model: type[O], form: str = "") -> O:
    """The options of a source as a model; ``form`` is what its URL looks like, for errors.

    Raises:
        ConfigurationError: naming source and setting, without its value.
    """
    try:
        return model.model_validate(dict(source.options))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
    known = tuple(model.model_fields)
    key = ".".join(map(str, first["loc"]))
    reason = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        reason = f"there is no such setting.{did_you_mean(key, known)}"
    elif first["type"] == "missing":
        reason = f"this setting is required{f'. Write the URL as {form}' if form else ''}"
    end = "" if reason.endswith((".", "?")) else "."
    raise ConfigurationError(
        f"Source {source.name}: {f'{key}: ' if key else ''}{reason}{end}"
        f" Settings of {source.backend}: {', '.join(known)}."
    )


def with_prefix(base_url: str, prefix: str) -> str:
    """A base URL that ends with the API's own path, whether or not it was given with it."""
    base, tail = base_url.rstrip("/"), prefix.strip("/")
    if not tail or base.endswith(f"/{tail}"):
        return base
    return f"{base}/{tail}"
