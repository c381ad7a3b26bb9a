"""Endpoint: one question to an OpenAI-compatible route, and an answer that is JSON of a given shape, or nothing.

A language model may be slow, lie, break off, or answer with anything at all. So a call has a time limit and a limit on bytes, the
answer is parsed as strict JSON against a schema, and a breaker keeps quiet after three failures in a row for the next calls. The key is
read from a file and stands in no record. Not covered: what is asked (`arc.research.language.writer`).
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from arc.core.errors import BadData
from arc.core.study import LanguageModel

A = TypeVar("A", bound=BaseModel)
_LONGEST = 200_000  # bytes of an answer
_FAILURES, _QUIET = 3, 5  # failures in a row that open the breaker, and the calls for which it stays open


@dataclass(frozen=True)
class Answer(Generic[A]):
    """What came back: a value of the shape that was asked for, or why there is none; and what it took."""

    value: A | None
    why: str  # empty when there is a value
    tokens: int
    calls: int


@dataclass
class Endpoint:
    """A model behind a route, with its breaker."""

    asked: LanguageModel
    transport: httpx.BaseTransport | None = None
    _failed: int = field(default=0, init=False)  # in a row
    _quiet: int = field(default=0, init=False)  # calls that are still refused

    def ask(self, system: str, user: str, shape: type[A]) -> Answer[A]:
        """One answer of the shape, or none with the reason. Never raises for what the other side does."""
        if self._quiet:
            self._quiet -= 1
            return Answer(None, f"the breaker is open after {_FAILURES} failures in a row", 0, 0)
        try:
            text, tokens = self._call(system, user, shape)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, BadData) as error:
            return self._failure(f"{type(error).__name__}: {error}", 0)
        try:
            value = shape.model_validate(_json(text))
        except (ValueError, ValidationError) as error:
            return self._failure(f"no answer of the shape: {str(error)[:200]}", tokens)
        self._failed = 0
        return Answer(value, "", tokens, 1)

    def _failure(self, why: str, tokens: int) -> Answer[A]:
        self._failed += 1
        if self._failed >= _FAILURES:
            self._failed, self._quiet = 0, _QUIET
        return Answer(None, why[:500], tokens, 1)

    def _call(self, system: str, user: str, shape: type[BaseModel]) -> tuple[str, int]:
        body = {
            "model": self.asked.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "temperature": 0,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": shape.__name__.lower(), "schema": shape.model_json_schema()},
            },
        }
        headers = {"Authorization": f"Bearer {key}"} if (key := _key(self.asked.key_file)) else {}
        end = time.perf_counter() + self.asked.timeout_s
        limits = httpx.Timeout(self.asked.timeout_s, connect=min(5.0, self.asked.timeout_s))
        received = b""
        with (
            httpx.Client(timeout=limits, transport=self.transport, trust_env=False) as client,
            client.stream("POST", f"{self.asked.base_url.rstrip('/')}/chat/completions", json=body, headers=headers) as response,
        ):
            response.raise_for_status()
            for chunk in response.iter_bytes():
                received += chunk
                if len(received) > _LONGEST:
                    raise BadData(f"the answer is longer than {_LONGEST} bytes", field="language_model")
                if time.perf_counter() > end:  # a byte a second would pass the limit on silence for ever
                    raise TimeoutError(f"no whole answer within {self.asked.timeout_s:g} s")
        return _said(received)


def _said(received: bytes) -> tuple[str, int]:
    """The text and the tokens of a completion; BadData when it is none."""
    try:
        answer = _json(received.decode())
        text = answer["choices"][0]["message"]["content"]
        usage = answer.get("usage") or {}
        tokens = usage.get("total_tokens", 0) if isinstance(usage, Mapping) else 0
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise BadData(f"this is no completion: {type(error).__name__}", field="language_model") from None
    if not isinstance(text, str):
        raise BadData("the completion holds no text", field="language_model")
    counted = tokens if isinstance(tokens, int) and not isinstance(tokens, bool) and 0 <= tokens < 10**9 else 0
    return text, max(counted, len(text) // 8)  # who under-reports is counted by length all the same


def _json(text: str) -> Any:
    """Strict JSON: no NaN, no infinity, no deep nesting."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _key(file: str | None) -> str:
    return Path(file).read_text(encoding="utf-8").strip() if file else ""
