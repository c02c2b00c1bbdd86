"""Structured logs with the request id on every line; they hold learners' ids, never their names or addresses."""

import logging.config
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog
from django.db import transaction
from django.http import HttpRequest

from .paths import without_secrets

Line = MutableMapping[str, Any]


def after_commit(write: Callable[..., Any], event: str, **facts: Any) -> None:
    """Log a line about what the current transaction does, once it has committed. The facts are ids and amounts.

    `write` is a method of the module's logger: after_commit(log.info, "refund_requested", refund=7).
    """
    transaction.on_commit(lambda: write(event, **facts), robust=True)


def configure_logging(*, level: str, style: str) -> None:
    """Send structlog and the standard library's loggers through one handler; `style` is console or json."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_what_every_line_has(style),
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"structured": {"()": lambda: line_formatter(style)}},
            "handlers": {"default": {"class": "logging.StreamHandler", "formatter": "structured"}},
            "root": {"handlers": ["default"], "level": level},
            "loggers": {
                "django.request": {"level": "ERROR"},
                "celery": {"level": "WARNING"},
                "kombu": {"level": "ERROR"},  # it keeps warning about a broker address without a host
                "httpx": {"level": "WARNING"},
                "stripe": {"level": "WARNING"},
                "fido2": {"level": "WARNING"},  # it logs the id of every passkey that is used
                "waitress": {"level": "ERROR"},  # it warns whenever two requests arrive at once
            },
        }
    )


def line_formatter(style: str) -> structlog.stdlib.ProcessorFormatter:
    """Return the formatter that turns a record, structlog's or the standard library's, into a line."""
    # Plain tracebacks: the pretty ones print local variables, which contain personal data.
    console = structlog.dev.ConsoleRenderer(
        colors=False, sort_keys=False, exception_formatter=structlog.dev.plain_traceback
    )
    rendering = [structlog.processors.JSONRenderer()] if style == "json" else [_say_requests_in_a_phrase, console]
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        foreign_pre_chain=[*_what_every_line_has(style), structlog.processors.format_exc_info, _hide_secrets],
    )


def _what_every_line_has(style: str) -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso" if style == "json" else "%H:%M:%S", utc=True),
    ]


def _hide_secrets(logger: Any, method: str, line: Line) -> Line:
    """Hide secret paths: Django names the path of a failed or refused request, and some paths work like passwords."""
    request = getattr(line["_record"], "request", None)
    if isinstance(request, HttpRequest):
        for part in ("event", "exception"):
            if part in line:
                line[part] = without_secrets(str(line[part]), request)
    return line


def _say_requests_in_a_phrase(logger: Any, method: str, line: Line) -> Line:
    """Put the request into one phrase for people at a terminal. Other lines begin with their event as it is."""
    if line.get("event") == "request" and {"method", "path", "status", "ms"} <= line.keys():
        asked = f"{line.pop('method')} {line.pop('path')}"
        line["event"] = f"{asked}: {line.pop('status')} in {line.pop('ms')} ms"
    return line
