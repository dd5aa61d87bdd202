"""Every setting: its name, its default, what it means and which values are refused.

Owns the shape only. It never reads a file or the environment (``load`` does), and a ``Settings`` built by
hand depends on its arguments alone. Each field's description is its one line in ``settings.example.toml``.

Exact numbers are ``Decimal``; durations are seconds (``_s``), money is rupees of whole paise. Both are
bounded, so that turning them into whole nanoseconds or paise is always exact and always cheap.
"""

from collections.abc import Iterator
from datetime import time
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from olaf_async.domain.charges import ChargeRates
from olaf_async.domain.price import to_paise
from olaf_async.settings.kinds import (
    Capitals,
    Exact,
    HttpRoot,
    LimitPercent,
    LocalTime,
    Location,
    LogLevel,
    Percent,
    Rupees,
    Seconds,
    SettingProblem,
    Share,
    SocketRoot,
    Text,
    Whole,
    ZoneName,
)

EXIT_PRICES_MIN: Final = 3
"""So many prices an exit must be able to try before the close, after one call that nobody answered."""


def _second_of_day(at: time) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second


class Section(BaseModel):
    """One table of the file: frozen, and closed to names it does not know."""

    # Defaults are validated too: only then is a value that disagrees with another key's default seen.
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class BrokerSettings(Section):
    """The OpenAlgo server and how long to wait for it."""

    host: HttpRoot = Field("http://127.0.0.1:5000", description="root of OpenAlgo's REST interface")
    ws_url: SocketRoot = Field("ws://127.0.0.1:8765", description="OpenAlgo's WebSocket")
    api_key: SecretStr | None = Field(
        None, min_length=1, description="secret, never shown; better given as OLAF_BROKER__API_KEY"
    )
    strategy: Text = Field("olaf", description="strategy tag sent with each order")
    exchange: Capitals = Field("NSE", description="exchange of symbols whose setup names none")
    product: Literal["MIS", "CNC", "NRML"] = Field(
        "MIS", description="product of every order: MIS, CNC or NRML"
    )
    request_timeout_s: Seconds = Field(
        Decimal(5), gt=0, description="per REST call; past it an order's outcome is unknown, not failed"
    )
    poll_interval_s: Seconds = Field(
        Decimal(5),
        gt=0,
        description="between book reads while nothing is unsettled; faster while something is",
    )
    settle_time_s: Seconds = Field(
        Decimal(130),
        gt=0,
        description="how long a sent order must be missing from complete books to count as absent",
    )
    require_analyzer: bool | None = Field(
        None, description="true: trade only in analyzer mode; false: only outside it; unset: report which"
    )


class SessionSettings(Section):
    """The trading day, in local times of ``timezone``."""

    timezone: ZoneName = Field("Asia/Kolkata", description="zone of every local time here and in data files")
    calendar: Literal["NSE", "always"] = Field(
        "NSE", description="NSE: the project's table of sessions; always: every day is one (tests, drills)"
    )
    open: LocalTime = Field(
        time(9, 15), description="start of the session, local time; bars and the trigger window count from it"
    )
    close: LocalTime = Field(
        time(15, 30),
        description="end of the session, local time; with NSE a share's own earlier close still applies",
    )
    ignore_initial_s: Seconds = Field(
        Decimal(60), description="ticks this long after the open build bars but trigger nothing"
    )
    exit_before_close_s: Seconds = Field(
        Decimal(2700),
        description="the exit starts this long before the close, with NSE by 14:59;"
        f" no less than request_timeout_s + {EXIT_PRICES_MIN} chase_interval_s",
    )

    @property
    def zone(self) -> ZoneInfo:
        """The time zone itself."""
        return ZoneInfo(self.timezone)

    @field_validator("close")
    @classmethod
    def _close_follows_open(cls, close: time, info: ValidationInfo) -> time:
        if (start := info.data.get("open")) is not None and close <= start:
            raise SettingProblem(
                f"session.close ({close}) must be later than session.open ({start})", "session.open"
            )
        return close

    @field_validator("exit_before_close_s")
    @classmethod
    def _some_of_the_session_is_left(cls, exit_s: Decimal, info: ValidationInfo) -> Decimal:
        if not {"open", "close", "ignore_initial_s"} <= info.data.keys():
            return exit_s
        length = _second_of_day(info.data["close"]) - _second_of_day(info.data["open"])
        initial_s = info.data["ignore_initial_s"]
        if initial_s + exit_s >= length:
            raise SettingProblem(
                f"session.exit_before_close_s ({exit_s}) plus session.ignore_initial_s ({initial_s}) must be "
                f"less than the session's {length} seconds",
                "session.ignore_initial_s",
                "session.open",
                "session.close",
            )
        return exit_s


class StrategySettings(Section):
    """The 80-20 scan and what is done with its setups."""

    open_pos_min: Share = Field(
        Decimal("0.8"), description="scan: least position of the open in the true range"
    )
    close_pos_max: Share = Field(
        Decimal("0.2"),
        description="scan: greatest position of the close in the true range; below open_pos_min",
    )
    volume_min: Whole = Field(100_000, ge=0, description="scan: least daily volume, shares")
    trigger_ticks: Whole = Field(10, ge=1, description="undercut below the setup low that arms the entry")
    trigger_window_s: Seconds = Field(
        Decimal(3600), gt=0, description="undercuts count this long from the open"
    )
    max_attempts: Whole = Field(3, ge=1, description="filled entries per symbol per day")
    max_order_retries: Whole = Field(
        3, ge=0, description="placements per trigger that were definitely rejected"
    )
    order_timeout_s: Seconds = Field(
        Decimal(900), gt=0, description="an unfilled entry older than this is cancelled"
    )
    reentry: Literal["retrigger", "immediate"] = Field(
        "retrigger",
        description="after an exit: retrigger needs a new undercut, immediate a price below the entry",
    )
    initial_stop: Literal["true_range", "ticks"] = Field(
        "true_range", description="distance below the fill: true_range or ticks, by the two keys that follow"
    )
    initial_stop_tr_mult: Annotated[Exact, Field(gt=0, le=100)] = Field(
        Decimal("0.5"), description="initial stop: multiple of the setup day's true range"
    )
    initial_stop_ticks: Whole = Field(20, ge=1, description="initial stop: ticks below the fill")
    trail_bar_s: Seconds = Field(
        Decimal(900),
        ge=1,
        description="length of the bars, aligned to the open, whose green closes raise the stop",
    )
    trail_buffer_ticks: Whole = Field(2, ge=0, description="ticks between the bar's low and the raised stop")
    take_profit_r: Annotated[Exact, Field(ge=0, le=1000)] = Field(
        Decimal(0), description="target as a multiple of the initial risk; 0 is off"
    )
    trail_from: Literal["entry_bar", "next_bar"] = Field(
        "entry_bar",
        description="entry_bar: the bar of the fill may raise the stop; next_bar: only later ones",
    )
    entry_limit_pct: LimitPercent = Field(
        Decimal("0.3"), description="limit of the entry beyond its trigger, percent; at most 3"
    )
    entry_limit_ticks: Whole | None = Field(
        None,
        ge=0,
        description="where set, replaces entry_limit_pct: limit this many ticks beyond the trigger",
    )
    stop_limit_pct: LimitPercent = Field(
        Decimal("1.0"), description="limit of the protective stop beyond its trigger, percent; at most 3"
    )
    exit_limit_pct: LimitPercent = Field(
        Decimal("1.0"), description="limit of an exit order through the last price, percent; at most 3"
    )
    chase_interval_s: Seconds = Field(
        Decimal(1), gt=0, description="how often an unfilled exit or triggered stop is re-priced"
    )

    @field_validator("close_pos_max")
    @classmethod
    def _close_lies_below_open(cls, close_max: Decimal, info: ValidationInfo) -> Decimal:
        if (open_min := info.data.get("open_pos_min")) is not None and close_max >= open_min:
            raise SettingProblem(
                f"strategy.close_pos_max ({close_max}) must be less than strategy.open_pos_min ({open_min})",
                "strategy.open_pos_min",
            )
        return close_max


class ChargeRateSettings(Section):
    """Costs of NSE equity intraday from 1 March 2026, percent of traded value; see ``domain.charges``."""

    brokerage_pct: Percent = Field(Decimal("0.03"), description="brokerage per executed order, percent")
    brokerage_cap: Rupees = Field(Decimal(20), description="the most brokerage on one order, rupees")
    transaction_tax_pct: Percent = Field(Decimal("0.025"), description="STT on what is sold, percent")
    exchange_pct: Percent = Field(
        Decimal("0.0030699"), description="exchange charge on both sides, percent (306.99 rupees a crore)"
    )
    investor_protection_pct: Percent = Field(
        Decimal("0.0000001"), description="IPFT on both sides, percent (0.01 rupees a crore)"
    )
    regulator_pct: Percent = Field(
        Decimal("0.0001"), description="SEBI fee on both sides, percent (10 rupees a crore)"
    )
    stamp_duty_pct: Percent = Field(Decimal("0.003"), description="stamp duty on what is bought, percent")
    gst_pct: Percent = Field(
        Decimal(18), description="GST on brokerage, exchange charge, IPFT and SEBI fee, percent"
    )

    def rates(self) -> ChargeRates:
        """The same as exact shares and paise, as the engine counts."""
        return ChargeRates(
            brokerage=Fraction(self.brokerage_pct) / 100,
            brokerage_cap=to_paise(self.brokerage_cap),
            transaction_tax=Fraction(self.transaction_tax_pct) / 100,
            exchange=Fraction(self.exchange_pct) / 100,
            investor_protection=Fraction(self.investor_protection_pct) / 100,
            regulator=Fraction(self.regulator_pct) / 100,
            stamp_duty=Fraction(self.stamp_duty_pct) / 100,
            gst=Fraction(self.gst_pct) / 100,
        )


class PaperSettings(Section):
    """The paper broker."""

    latency_ms: Annotated[Whole, Field(ge=0, le=600_000)] = Field(
        0, description="time until the paper broker answers, milliseconds"
    )
    slippage_ticks: Whole = Field(0, ge=0, description="ticks by which stop and market fills are worse")
    exchange_true: bool = Field(
        default=True,
        description="fills as an exchange would, not as OpenAlgo's sandbox does; serve-paper: false",
    )
    partial_fills: bool = Field(default=False, description="partial fills, drawn from the seed")
    seed: Whole = Field(0, ge=0, description="seed of everything the paper broker draws")
    charges: bool = Field(default=True, description="brokerage and statutory charges on paper and in replay")
    capital: Rupees = Field(Decimal(1_000_000), gt=0, description="rupees the paper account starts with")
    charge_rates: ChargeRateSettings = Field(
        ChargeRateSettings(), description="NSE equity intraday, from 1 March 2026"
    )


class ScanSettings(Section):
    """The daily scan beyond the strategy's own thresholds."""

    ex_date_gap_pct: Annotated[Exact, Field(gt=0, le=1000)] = Field(
        Decimal(20),
        description="an open further than this from the previous close drops setups on either side",
    )


class RiskSettings(Section):
    """Limits of the account."""

    quantity: Whole = Field(1, ge=1, description="shares per entry, where the setup gives none")
    max_open_positions: Whole = Field(10, ge=1, description="no new entry while this many positions are open")
    max_daily_loss: Rupees | None = Field(
        None, gt=0, description="rupees, realised plus open; latched for the day, survives restart"
    )
    max_orders_per_s: Whole = Field(
        8,
        ge=1,
        description="all order calls together, protection first;"
        " entries rest only while one second has room for all their stops",
    )
    stale_feed_s: Seconds = Field(
        Decimal(30), gt=0, description="no tick of a symbol this long inside the session: no new entry for it"
    )
    unprotected_s_max: Seconds = Field(
        Decimal(3), gt=0, description="a position without a confirmed stop longer than this raises an alarm"
    )


class JournalSettings(Section):
    """Where what must outlive the process is kept."""

    dir: Location = Field(Path("var"), description="folder of journals, recordings and reports")


class WebSettings(Section):
    """Dashboard and control."""

    host: Text = Field("127.0.0.1", description="address to listen on; beyond this machine only on purpose")
    port: Whole = Field(
        8787, ge=0, le=65_535, description="port of the dashboard, which is still to come; 0: any free one"
    )
    token: SecretStr | None = Field(
        None, min_length=1, description="secret asked of the browser; generated at each start where unset"
    )


class LogSettings(Section):
    """What is said while running."""

    level: LogLevel = Field(
        "INFO", description="least level shown: TRACE, DEBUG, INFO, SUCCESS, WARNING, ERROR or CRITICAL"
    )
    file: Location | None = Field(None, description="JSON records, one a line, are appended to this file")


class Settings(BaseSettings):
    """All settings. ``load_settings`` reads them; built by hand they are the defaults plus the arguments.

    Two of them are equal where values and origins are.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True)

    mode: Literal["paper", "live"] = Field(
        "paper", description="paper: embedded paper broker; live: orders go to the OpenAlgo server"
    )
    setups_file: Location | None = Field(
        None, description="CSV of setups to trade; relative to this file's folder"
    )
    broker: BrokerSettings = BrokerSettings()
    session: SessionSettings = SessionSettings()
    strategy: StrategySettings = StrategySettings()
    paper: PaperSettings = PaperSettings()
    scan: ScanSettings = ScanSettings()
    risk: RiskSettings = RiskSettings()
    journal: JournalSettings = JournalSettings()
    web: WebSettings = WebSettings()
    log: LogSettings = LogSettings()

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _there_is_time_to_get_out(self) -> Self:
        exit_s, timeout_s = self.session.exit_before_close_s, self.broker.request_timeout_s
        chase_s = self.strategy.chase_interval_s
        needed_s = timeout_s + EXIT_PRICES_MIN * chase_s
        if exit_s < needed_s:
            raise SettingProblem(
                f"session.exit_before_close_s ({exit_s}) leaves no time to get out: one call unanswered for"
                f" broker.request_timeout_s ({timeout_s}) and {EXIT_PRICES_MIN} prices at"
                f" strategy.chase_interval_s ({chase_s}) take {needed_s} seconds",
                "session.exit_before_close_s",
                "broker.request_timeout_s",
                "strategy.chase_interval_s",
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing but the arguments: a test or notebook must not depend on where it happens to run."""
        return (init_settings,)

    def origin(self, key: str) -> str:
        """Where the value of a dotted key came from: ``default``, a file, a variable, ``command line``."""
        return self._origins.get(key, "default")

    def with_origins(self, origins: dict[str, str]) -> Self:
        """The same settings, knowing which of the dotted keys were set where."""
        known = self.model_copy()
        known._origins = origins  # noqa: SLF001 - its own class
        return known

    def secrets(self) -> tuple[str, ...]:
        """The secret values themselves, for the one who must keep them out of sight."""
        held = (self.value(key) for key in known_keys() if is_secret(key))
        return tuple(secret.get_secret_value() for secret in held if isinstance(secret, SecretStr))

    def value(self, key: str) -> object:
        """The value of a dotted key.

        Raises:
            AttributeError: there is no such key.
        """
        found: object = self
        for name in key.split("."):
            found = getattr(found, name)
        return found


def _leaves(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _leaves(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


@cache
def known_keys() -> dict[str, FieldInfo]:
    """Every dotted key with its field, in the order of the example file."""
    return dict(_leaves(Settings, ""))


def is_secret(key: str) -> bool:
    """Whether the value of this key must never be shown."""
    return known_keys()[key].annotation == SecretStr | None
