"""Settings: one tree, read once at the door and passed down.

A value comes from the environment (`ARC_` and the name in capitals, or an older name that is listed as an
alias), else from `arc.toml` in the working folder or the workspace, else from the default. Each field says
its unit and why its default is what it is; `arc settings` prints all of them and
`docs/reference/settings.md` is generated from this table.
"""

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from arc.core.errors import InvalidSpec


def _setting(default: Any, *, unit: str, reason: str, alias: str | None = None, **bounds: Any) -> Any:
    return Field(
        default,
        description=reason,
        json_schema_extra={"unit": unit, "alias": alias or ""},
        **bounds,
    )


class Settings(BaseModel):
    """Every setting of ARC."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    workspace: Path = _setting(
        Path("arc-workspace"),
        unit="folder",
        reason="Everything ARC keeps; below the working folder so that a first try touches nothing else.",
    )
    database_url: str = _setting(
        "", unit="URL", reason="Empty means SQLite in the workspace; a team that outgrows one machine gives a postgresql:// URL."
    )
    data_roots: list[Path] = _setting(
        [], unit="folders", reason="Folders outside the workspace that requests may name; none, so that nothing is readable by accident."
    )
    host: str = _setting("127.0.0.1", unit="address", reason="Loopback: opening to the network is an explicit act.")
    port: int = _setting(8000, unit="port", reason="Where clients look first; 0 takes a free one.", ge=0, le=65535)
    allowed_hosts: list[str] = _setting([], unit="names", reason="Host headers accepted beside loopback; none, against DNS rebinding.")
    control_plane_url: str = _setting(
        "", unit="URL", reason="Empty means the control plane that serves the workspace.", alias="CONTROL_PLANE_URL"
    )
    backend: str = _setting("local", unit="name", reason="Processes on this machine; no other service is needed.")
    task_slots: int = _setting(0, unit="attempts", reason="0 means one for each GPU, or 2 when there is none.", ge=0, le=4096)
    light_slots: int = _setting(2, unit="attempts", reason="Short jobs that a training must not block.", ge=1, le=4096)
    threads_per_task: int = _setting(
        0, unit="threads", reason="0 means the cores divided by the task slots; frozen into each job.", ge=0, le=1024
    )
    max_total_memory_gb: float = _setting(0.0, unit="GB", reason="0 means what the machine has.", alias="MAX_TOTAL_MEMORY_GB", ge=0)
    memory_reserve_gb: float = _setting(1.0, unit="GB", reason="Left to the system and to the control plane.", ge=0)
    lease_ttl_s: float = _setting(
        30.0, unit="seconds", reason="An attempt unheard of for this long is examined, never simply restarted.", gt=0
    )
    lease_max_hold_s: float = _setting(
        7200.0,
        unit="seconds",
        reason="A named lease can be renewed until it was held for so long; without a bound one holder starves all others.",
        alias="TRAINING_LOCK_TTL",
        ge=1,
    )
    sample_interval_s: float = _setting(
        5.0,
        unit="seconds",
        reason="Leases, memory and timeouts are looked at this often; nothing between submit and start waits for it.",
        alias="RESOURCE_CHECK_INTERVAL",
        gt=0,
    )
    stall_factor: float = _setting(6.0, unit="steps", reason="Six of the slowest recent steps without progress are no hiccup.", gt=1)
    stall_floor_s: float = _setting(90.0, unit="seconds", reason="Short steps vary more; less than this is never a stall.", gt=0)
    stall_cap_s: float = _setting(
        900.0, unit="seconds", reason="Long steps and declared phases; an hour of a dead GPU costs too much.", gt=0
    )
    stall_first_s: float = _setting(3600.0, unit="seconds", reason="Before the first sign of progress nothing is known of the pace.", gt=0)
    upkeep_interval_s: float = _setting(3600.0, unit="seconds", reason="WAL checkpoint and vacuum once an hour keep the file small.", gt=0)
    retention_days: float = _setting(
        7.0,
        unit="days",
        reason="Files of a job without an experiment are kept so long after its end, and so is a broken experiment; a week off loses nothing.",
        gt=0,
        le=36_500,
    )
    keep_checkpoints: int = _setting(
        2,
        unit="checkpoints",
        reason="Of a job that is over: the newest, and one more in case that is damaged; best and pinned stay too.",
        ge=1,
        le=1000,
    )
    clean_interval_s: float = _setting(
        86_400.0,
        unit="seconds",
        reason="Once a day is enough for what was over for days; looked at with each upkeep. 0 means never.",
        ge=0,
        le=31_536_000,
    )
    max_body_mb: float = _setting(8.0, unit="MB", reason="JSON requests are small; more is a mistake or an attack.", gt=0)
    max_upload_gb: float = _setting(20.0, unit="GB", reason="An upload that is larger is refused while it arrives.", gt=0)
    max_extracted_gb: float = _setting(10.0, unit="GB", reason="An archive that unpacks to more is refused while it is read.", gt=0)
    dvc_remote: str = _setting(
        "",
        unit="URL or folder",
        reason="Where DVC pushes dataset versions; empty means the folder dvc-remote in the workspace, which needs no other service.",
    )
    sse_heartbeat_s: float = _setting(15.0, unit="seconds", reason="Shorter than the idle timeout of common proxies.", gt=0)
    shutdown_s: float = _setting(
        15.0, unit="seconds", reason="Running attempts checkpoint within this time when the control plane stops.", gt=0
    )
    allow_fault_jobs: bool = _setting(False, unit="yes/no", reason="The recipe probe.faults breaks things on purpose; off unless you test.")
    log_json: bool = _setting(False, unit="yes/no", reason="Lines for people by default, JSON for log collectors.")

    @field_validator("data_roots", "allowed_hosts", mode="before")
    @classmethod
    def _comma_list(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("dvc_remote")
    @classmethod
    def _whole_place(cls, value: str) -> str:
        if value and "://" not in value and not Path(value).is_absolute():
            raise ValueError("give a URL or an absolute path")
        if "@" in value and ":" in value.partition("://")[2].rpartition("@")[0]:
            raise ValueError("a password would be committed with it; use dvc remote modify --local in the workspace")
        return value


class SettingRow(BaseModel):
    """One line of `arc settings`."""

    name: str
    env: str
    value: Any
    default: Any
    source: str  # default, environment or the path of a file
    unit: str
    reason: str


def env_names(name: str) -> list[str]:
    """The environment variables that set `name`, the first found wins."""
    extra = Settings.model_fields[name].json_schema_extra
    alias = str(extra.get("alias", "")) if isinstance(extra, dict) else ""
    return [f"ARC_{name.upper()}", *([alias] if alias else [])]


def load(overrides: dict[str, Any] | None = None, *, folder: Path | None = None) -> tuple[Settings, dict[str, str]]:
    """The settings and where each came from; `overrides` (command-line options) win over everything.

    InvalidSpec names the setting, the value and the source when one is wrong.
    """
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    here = folder or Path.cwd()
    for name in Settings.model_fields:
        for variable in env_names(name):
            if variable in os.environ and name not in values:
                values[name], sources[name] = os.environ[variable], f"environment {variable}"
    for name, value in given.items():
        values[name], sources[name] = value, "command line"
    workspace = here / Path(str(values.get("workspace", Settings.model_fields["workspace"].default)))
    for path in (here / "arc.toml", workspace / "arc.toml"):
        for name, value in _file(path).items():
            if name not in values:
                values[name], sources[name] = value, str(path)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        source = sources.get(name, "?")
        raise InvalidSpec(f"setting {name} = {values.get(name)!r} ({source}): {first['msg']}", field=name) from None
    roots = [_absolute(root, here) for root in settings.data_roots]
    return settings.model_copy(update={"workspace": _absolute(settings.workspace, here), "data_roots": roots}), sources


def _absolute(path: Path, here: Path) -> Path:
    return (here / path.expanduser()).resolve()


def _file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSpec(f"{path} is not valid TOML: {error}", field="arc.toml") from None
    unknown = sorted(set(table) - set(Settings.model_fields))
    if unknown:
        raise InvalidSpec(f"{path}: there is no setting {unknown[0]!r}", field=unknown[0])
    return table


def table(settings: Settings, sources: dict[str, str]) -> list[SettingRow]:
    """Every setting with its value, source, unit and reason."""
    rows = []
    for name, info in Settings.model_fields.items():
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        rows.append(
            SettingRow(
                name=name,
                env=", ".join(env_names(name)),
                value=_plain(getattr(settings, name)),
                default=_plain(info.default),
                source=sources.get(name, "default"),
                unit=str(extra.get("unit", "")),
                reason=info.description or "",
            )
        )
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [str(item) for item in value]
    return str(value) if isinstance(value, Path) else value
