"""The configuration's sections as frozen values, with their defaults.

`core.config_file` reads and writes `swing_config.json`, `core.config_check` judges it. The rules stand here,
beside the fields, as `msgspec.Meta` constraints, so that the file and the settings dialog are judged by the
same ones; `accepts` in a rule names the sentence that tells a person what a pattern wants.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from core.i18n import tr

BIST30 = (
    "AEFES", "AKBNK", "ALARK", "ARCLK", "ASELS", "ASTOR", "BIMAS", "DOAS", "EKGYO", "ENKAI",
    "EREGL", "FROTO", "GARAN", "GUBRF", "HEKTS", "ISCTR", "KCHOL", "KRDMD", "MGROS", "PETKM",
    "PGSUS", "SAHOL", "SASA", "SISE", "TCELL", "THYAO", "TOASO", "TRALT", "TUPRS", "YKBNK",
)  # fmt: skip
TRADINGVIEW_ENDPOINT = "wss://data.tradingview.com/socket.io/websocket"
TELEGRAM_API = "https://api.telegram.org"

ExchangeCode = Literal["BIST", "NYSE", "NASDAQ", "AMEX", "CRYPTO"]
SourceName = Literal["auto", "tradingview", "yahoo", "tvdatafeed", "yfinance", "simulation", "replay"]
Milliseconds = Annotated[int, Meta(ge=0, le=3_600_000)]
Port = Annotated[int, Meta(ge=1, le=65535)]


def _text(pattern: str, accepts: str) -> Meta:
    return Meta(pattern=pattern, extra={"accepts": f"config.accept_{accepts}"})


WebSocketUrl = Annotated[str, _text(r"^wss?://[^\s/]+\S*\Z", "ws_url")]
HttpUrl = Annotated[str, _text(r"^https?://[^\s/]+\S*\Z", "http_url")]
OptionalWebSocketUrl = Annotated[str, _text(r"^(wss?://[^\s/]+\S*)?\Z", "optional_ws_url")]
OptionalHttpUrl = Annotated[str, _text(r"^(https?://[^\s/]+\S*)?\Z", "optional_http_url")]
DatabaseUrl = Annotated[str, _text(r"^([a-z][a-z0-9+]*://[^\r\n]*)?\Z", "database_url")]
FileName = Annotated[str, _text(r"^[^\r\n\0]*\Z", "file_name")]
Word = Annotated[str, _text(r"^\S*\Z", "word")]
Token = Annotated[str, _text(r"^[^\s/?#]*\Z", "token")]
HostName = Annotated[str, _text(r"^[^\s/@]*\Z", "host")]
Address = Annotated[str, _text(r"^[^\s@<>,;]+@[^\s@<>,;]+\Z", "address")]
Sender = Annotated[str, _text(r"^([^\s@<>,;]+@[^\s@<>,;]+|[^@<>\r\n]*<[^\s@<>]+@[^\s@<>]+>)?\Z", "sender")]


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with a configuration, told in the interface's language.

    `path` is the dotted key, `found` the value as JSON without secrets, `accepted` what would do, `nearest`
    the known key or value that the one found resembles ("" if none).
    """

    path: str
    found: str
    accepted: str
    nearest: str = ""

    def __str__(self) -> str:
        text = tr("config.problem", path=self.path, found=self.found, accepted=self.accepted)
        text += "" if text.endswith((".", "?")) else "."
        return text + " " + tr("config.nearest", nearest=self.nearest) if self.nearest else text


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of all sections: immutable, and unknown keys are refused."""


class WebSocketConfig(Section, frozen=True, kw_only=True):
    """The push connection (times in milliseconds)."""

    enabled: bool = True
    endpoint: WebSocketUrl = TRADINGVIEW_ENDPOINT
    reconnect_attempts: Annotated[int, Meta(ge=0, le=1000)] = 5
    reconnect_delay_ms: Milliseconds = 5000
    heartbeat_interval_ms: Milliseconds = 30000
    timeout_ms: Milliseconds = 60000
    use_tvdata: bool = True


class ChannelsConfig(Section, frozen=True, kw_only=True):
    """Which notification channels are used."""

    toast: bool = True
    desktop: bool = True
    telegram: bool = False
    email: bool = False


Loudness = Literal["on", "silent", "off"]


class BotChannelsConfig(Section, frozen=True, kw_only=True):
    """How each channel tells of one kind of a bot's messages, where the channel itself is on.

    A "silent" one disturbs nobody: no toast (it stands in the log), low urgency on the desktop and in the
    mail, no sound in Telegram.
    """

    toast: Loudness = "on"
    desktop: Loudness = "on"
    telegram: Loudness = "on"
    email: Loudness = "on"


class BotNotificationsConfig(Section, frozen=True, kw_only=True):
    """Of what bots tell their owner, and how, by the kind of message."""

    entry: BotChannelsConfig = BotChannelsConfig(email="off")
    exit: BotChannelsConfig = BotChannelsConfig(email="off")
    stop: BotChannelsConfig = BotChannelsConfig()
    limit: BotChannelsConfig = BotChannelsConfig()
    error: BotChannelsConfig = BotChannelsConfig()
    recovered: BotChannelsConfig = BotChannelsConfig()


class TelegramConfig(Section, frozen=True, kw_only=True):
    """The Telegram bot that sends the alerts."""

    enabled: bool = False
    bot_token: Token = ""
    chat_id: Word = ""
    api_base: HttpUrl = TELEGRAM_API


class EmailConfig(Section, frozen=True, kw_only=True):
    """The SMTP server that sends the alerts."""

    enabled: bool = False
    host: HostName = ""
    port: Port = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: str = ""
    sender: Sender = ""
    recipients: tuple[Address, ...] = ()


class RealTimeConfig(Section, frozen=True, kw_only=True):
    """Live prices, signals and alerts."""

    enable_signal_triggers: bool = True
    enable_portfolio_tracking: bool = True
    enable_notifications: bool = True
    use_tvdata: bool = True
    live_data_source: SourceName = "auto"
    update_interval_ms: Annotated[int, Meta(ge=10, le=10_000)] = 100
    poll_interval_sec: Annotated[float, Meta(ge=3, le=3600)] = 5.0
    max_live_symbols: Annotated[int, Meta(ge=1, le=5000)] = 30
    signal_threshold_pct: Annotated[float, Meta(gt=0, le=100)] = 2.0
    signal_cooldown_sec: Annotated[float, Meta(ge=0, le=86_400)] = 5.0
    stale_after_sec: Annotated[float, Meta(ge=5, le=3600)] = 60.0
    allow_simulation: bool = True
    yahoo_base: OptionalHttpUrl = ""
    yahoo_stream: OptionalWebSocketUrl = ""
    cross_check_pct: Annotated[float, Meta(ge=0, le=50)] = 3.0
    record: bool = False
    replay_file: FileName = ""
    replay_speed: Annotated[int, Meta(ge=1, le=1000)] = 1
    noise_filter: Literal["none", "median", "kalman"] = "none"
    noise_window: Annotated[int, Meta(ge=3, le=15)] = 5
    notification_channels: ChannelsConfig = ChannelsConfig()
    bot_notifications: BotNotificationsConfig = BotNotificationsConfig()
    telegram: TelegramConfig = TelegramConfig()
    email: EmailConfig = EmailConfig()


class StorageConfig(Section, frozen=True, kw_only=True):
    """Where the ledger lives; an empty URL means SQLite in the data directory.

    Bars shorter than a day are kept for `keep_minute_bars_days`, daily ones for ever.
    """

    url: DatabaseUrl = ""
    keep_minute_bars_days: Annotated[int, Meta(ge=1, le=3650)] = 90


BotId = Annotated[str, _text(r"^[a-z0-9][a-z0-9_-]{0,39}\Z", "bot_id")]
UserName = Annotated[str, _text(r"^[a-z0-9][a-z0-9_.-]{0,39}\Z", "user_name")]
Title = Annotated[str, _text(r"^[^\r\n\0]{1,80}\Z", "title")]
Percent = Annotated[float, Meta(ge=0, le=100)]
Amount = Annotated[float, Meta(ge=0, le=1e12)]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]


class BotConfig(Section, frozen=True, kw_only=True):
    """One bot. Amounts are in the currency of its symbols, which must share one; 0 turns a limit off.

    `size` is the money put into a new position, `quantity` a fixed number of shares instead. `params` belong
    to the strategy. `check_interval_sec` 0 means at every price. `trailing_stop_atr` is a multiple of the
    average true range, used instead of `trailing_stop_pct`. `max_daily_loss` and `daily_target` hold for what
    a bot at rest or in error still has, too.
    """

    id: BotId
    name: Title
    symbols: tuple[str, ...]
    owner: UserName = "local"
    strategy: str = "threshold"
    params: dict[str, Any] = {}
    autostart: bool = False
    direction: Literal["long", "short", "both"] = "long"
    cash: Annotated[float, Meta(gt=0, le=1e12)] = 100_000.0
    size: Amount = 10_000.0
    quantity: Amount = 0.0
    max_open_positions: Annotated[int, Meta(ge=1, le=1000)] = 1
    fee_pct: Annotated[float, Meta(ge=0, le=10)] = 0.1
    fee_min: Amount = 0.0
    slippage_pct: Annotated[float, Meta(ge=0, le=10)] = 0.05
    stop_loss_pct: Percent = 3.0
    take_profit_pct: Annotated[float, Meta(ge=0, le=1000)] = 0.0
    trailing_stop_pct: Percent = 0.0
    trailing_stop_atr: Annotated[float, Meta(ge=0, le=50)] = 0.0
    max_daily_loss: Amount = 0.0
    daily_target: Amount = 0.0
    cooldown_after_loss_sec: Seconds = 0.0
    check_interval_sec: Seconds = 0.0
    time_limit_sec: Annotated[float, Meta(ge=0.05, le=60)] = 1.0


class ServerConfig(Section, frozen=True, kw_only=True):
    """The status server. `redis_url` joins engines and servers on several machines, `trusted_proxies` are
    addresses and networks of reverse proxies that are believed who their clients are."""

    enabled: bool = False
    host: HostName = "127.0.0.1"
    port: Port = 8765
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    redis_url: Annotated[str, _text(r"^((rediss?|unix)://\S*)?\Z", "redis_url")] = ""
    tls_cert: FileName = ""
    tls_key: FileName = ""
    max_streams_per_user: Annotated[int, Meta(ge=1, le=1000)] = 20


class RemoteServerConfig(Section, frozen=True, kw_only=True):
    """A status server elsewhere whose bots the desktop shows. Its token is no part of the file: it comes from
    the environment or the keyring (`core.bots.remote.token_name`).

    `tls_ca` is a file of certificates (PEM) that are trusted besides the system's.
    """

    name: Annotated[str, _text(r"^[^\s\0]([^\r\n\0]{0,38}[^\s\0])?\Z", "server_name")]
    url: Annotated[str, _text(r"^https?://[^\s/?#@]+(/[^\s?#]*)?\Z", "server_url")]
    tls_ca: FileName = ""


class Config(Section, frozen=True, kw_only=True):
    """The whole of `swing_config.json`.

    A symbol is "ASELS" (on `exchange`) or "NASDAQ:AAPL". `extra_closures` are days on which an exchange is
    shut though its calendar says otherwise, as "BIST:2026-12-31".
    """

    exchange: ExchangeCode = "BIST"
    symbols: tuple[str, ...] = BIST30
    language: Literal["auto", "tr", "en"] = "auto"
    debug_mode: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    theme: Literal["system", "dark", "light"] = "system"
    flash_changes: bool = True
    extra_closures: tuple[str, ...] = ()
    websocket: WebSocketConfig = WebSocketConfig()
    real_time: RealTimeConfig = RealTimeConfig()
    bots: tuple[BotConfig, ...] = ()
    bot_executor: Literal["local", "celery"] = "local"
    server: ServerConfig = ServerConfig()
    remote_servers: tuple[RemoteServerConfig, ...] = ()
    storage: StorageConfig = StorageConfig()
