"""What processes are handed: the resolved settings as frozen dataclasses.

Only values stand here; where they come from (TOML, environment, options) is `gateway.config`'s
subject.
Times are seconds, sizes are bytes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True)
class AssociationSettings:
    """The upper layer and DIMSE limits of each association."""

    max_pdu: int = 256 * 1024
    """Maximum length announced to peers (PS3.8 D.1)."""
    artim_timeout: float = 30.0
    """The whole A-ASSOCIATE-RQ, and a peer that does not close, within this time."""
    acse_timeout: float = 30.0
    """An answer to an association or release request of ours."""
    dimse_timeout: float = 30.0
    """The next bytes of a message that has begun."""
    network_timeout: float = 60.0
    """An association with no operation open and nothing received."""
    send_timeout: float = 30.0
    """A peer that does not read what it is sent is aborted after this time."""
    max_associations: int = 1024
    """Associations of one acceptor; one more is rejected (2,3,2)."""
    max_pending: int = 2048
    """Connections of one acceptor that have not yet sent their A-ASSOCIATE-RQ."""
    max_operations_performed: int = 16
    """Operations of one association that may be in flight, if the peer proposes as many."""


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """Who may associate, and for what."""

    require_called_ae_title: bool = False
    calling_ae_titles: tuple[str, ...] = ()
    """Calling AE titles admitted; empty: any."""
    unrestricted: bool = False
    """Also accept unknown and private abstract syntaxes, for storage."""
    require: tuple[str, ...] = ()
    """Reject (2,3,1) while no worker is bound to these events."""


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """Where data sets wait on their way to a worker."""

    inline_max: int = 64 * 1024
    """Data sets up to this size travel in the envelope."""
    min_free: int = 256 * 1024 * 1024
    """Free bytes below which a C-STORE is answered A700 at its command set."""
    refuse_below: int = 512 * 1024 * 1024
    """Free bytes below which associations are rejected (2,3,2); 0: never for that."""


@dataclass(frozen=True, slots=True)
class FabricSettings:
    """The messages between acceptors and workers."""

    heartbeat: float = 1.0
    """Seconds between two heartbeats; a silent partner is dead after three."""
    lease_grace: float = 10.0
    """How long requests wait for a worker that died."""
    queue: int = 1024
    """Requests that wait for one event at the most."""
    ring: int = 1024
    """Notifications kept for replay, of each topic."""
    high_water_mark: int = 10_000
    """Messages on the way to one watcher before it loses some."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Log lines on standard error."""

    level: str = "info"
    """debug, info, warning or error."""
    format: str = "text"
    """text or json."""


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """The `[gateway]` table: where it listens, under which name, and where its data lie."""

    host: str = "127.0.0.1"
    """Address to listen at; 0.0.0.0 or :: for every interface."""
    port: int = 11112
    """0: any free one, named in the line that says that the gateway is ready."""
    ae_title: str = "GATEWAY"
    data: str = "./gateway-data"
    """Directory of the spool, the archive and run/; relative to the working directory."""
    acceptors: int = 1
    """Processes that accept associations on the one port."""
    durability: str = "durable"
    """durable: success means synced to disk; written: success means handed to the system."""
    drain_timeout: float = 10.0
    """Messages in hand have this long to finish at the end."""


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """The `[tls]` table: what a listening socket's TLS is made of (PS3.15 B)."""

    certificate: str = ""
    """PEM: the certificate and those that sign it; empty: no TLS."""
    key: str = ""
    """PEM, unless the key stands beside the certificate."""
    ca: str = ""
    """PEM: who signs the peers' certificates; empty: peers need none."""
    require_client_certificate: bool = True
    """With `ca`: false lets in who has none; one that is shown must be good all the same."""


@dataclass(frozen=True, slots=True)
class WorkerTable:
    """One `[workers.NAME]` table; NAME is the name of its lease."""

    enabled: bool = True
    worker: str = ""
    """MODULE:ATTRIBUTE, or the name of an entry point of `dicom_gateway.workers`; empty: NAME."""
    processes: int = 1
    concurrency: int = 0
    """Requests that one process has in hand; 0: as many as the worker's code says."""
    options: dict[str, Any] = field(default_factory=dict)
    """What the worker finds as its options."""


@dataclass(frozen=True, slots=True)
class Destination:
    """One entry of `[destinations]`: where C-MOVE sends to."""

    host: str
    port: int
    ae_title: str = ""
    """Its AE title; empty: the name of the entry."""
    operations: int = 8
    """C-STORE requests on their way at once on an association, if it agrees; 1: not asked for."""
    associations: int = 1
    """Associations with it at once, of one C-MOVE."""


DUPLICATES = ("keep_first", "replace", "reject")
CONFLICT = ("warning", "failure")


@dataclass(frozen=True, slots=True)
class ArchiveSettings:
    """The `[archive]` table, which the installed workers find among their options."""

    duplicates: str = "keep_first"
    """Another content under the UID of a stored instance: keep_first, replace or reject it."""
    conflict: str = "warning"
    """keep_first sets the other one aside, and answers with a warning or a failure."""
    dsn: str = ""
    """PostgreSQL database of the index; empty: an SQLite file in the archive."""
    holder: str = ""
    """AE title under which others fetch from here; empty: gateway.ae_title."""
    shared: bool = False
    """The gateways of one index reach each other's files under the same paths."""
    guard: str = ""
    """A file that exists while the archive's volume is mounted; empty: not looked for."""
    relational: bool = False
    """Offer relational queries (PS3.4 C.5.1.1)."""
    combined: bool = False
    """Offer combined date and time matching (PS3.4 C.5.1.1)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration."""

    gateway: ServeSettings = field(default_factory=ServeSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    association: AssociationSettings = field(default_factory=AssociationSettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    spool: SpoolSettings = field(default_factory=SpoolSettings)
    fabric: FabricSettings = field(default_factory=FabricSettings)
    log: LogSettings = field(default_factory=LogSettings)
    archive: ArchiveSettings = field(default_factory=ArchiveSettings)
    workers: dict[str, WorkerTable] = field(
        default_factory=lambda: {name: WorkerTable() for name in ("storage", "query", "retrieve")}
    )
    destinations: dict[str, Destination] = field(default_factory=dict)
    """By the AE title that a C-MOVE names."""


@dataclass(frozen=True, slots=True)
class ContextSettings:
    """One abstract syntax that an acceptor supports."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    """Best first."""
    scu_role: bool | None = None
    scp_role: bool | None = None
    """Roles that a requestor may have, if it proposes them; None: role selection is ignored."""


@dataclass(frozen=True, slots=True)
class AcceptorSettings:
    """Everything an acceptor process is told."""

    index: int
    """0, 1, ...: names its sockets and its part of the spool."""
    ae_title: str
    run_dir: str
    spool_dir: str
    data_dir: str = ""
    """What else must have space; empty: nothing."""
    expect: tuple[str, ...] = ()
    """Names of the configured workers: until they registered, requests wait for them."""
    drain_timeout: float = 10.0
    durable: bool = True
    """False: nothing is synced whatever a worker asks for (`durability = "written"`)."""
    contexts: tuple[ContextSettings, ...] = ()
    """What is accepted, and nothing else; empty: every SOP class that has a service."""
    services: dict[str, str] = field(default_factory=dict)
    """A UID that the registry does not have -> a SOP class that is served in the same way."""
    implementation_class_uid: str = ""
    """Empty: the gateway's own."""
    implementation_version_name: str | None = ""
    """Empty: the gateway's own; None: none is told."""
    tls: TlsSettings = field(default_factory=TlsSettings)
    scratch: str = ""
    """A directory that is the acceptor's alone, and is removed when it leaves."""
    association: AssociationSettings = field(default_factory=AssociationSettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    spool: SpoolSettings = field(default_factory=SpoolSettings)
    fabric: FabricSettings = field(default_factory=FabricSettings)
    log: LogSettings = field(default_factory=LogSettings)

    @property
    def name(self) -> str:
        return f"acceptor-{self.index}"


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Everything a worker process is told."""

    name: str
    """The name its lease is held under; empty: the one in its code."""
    target: str
    """MODULE:ATTRIBUTE of the Worker, or the name of an entry point of `dicom_gateway.workers`."""
    member: int
    generation: int
    """0: ask the acceptors for the highest and take the next."""
    run_dir: str
    data_dir: str
    path: tuple[str, ...] = ()
    """Folders put in front of sys.path."""
    concurrency: int = 0
    """0: the one in the worker's code."""
    durable: bool = True
    drain_timeout: float = 10.0
    options: dict[str, Any] = field(default_factory=dict)
    """The worker's own table of the configuration."""
    destinations: dict[str, Destination] = field(default_factory=dict)
    """Where C-MOVE may send to, by AE title."""
    fabric: FabricSettings = field(default_factory=FabricSettings)
    log: LogSettings = field(default_factory=LogSettings)


def to_map(settings: Any) -> dict[str, Any]:
    """The settings as plain values that JSON can carry."""
    return asdict(settings)


def from_map(kind: type[Kind], values: dict[str, Any]) -> Kind:
    """The inverse of `to_map`; raises TypeError for a key that `kind` does not have."""
    hints = get_type_hints(kind)
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    if unknown := set(values) - known:
        raise TypeError(f"{kind.__name__} has no setting {', '.join(sorted(unknown))}")
    return kind(**{name: _restore(hints[name], value) for name, value in values.items()})


def _restore(hint: Any, value: Any) -> Any:
    if is_dataclass(hint):
        return from_map(hint, value)  # type: ignore[arg-type]
    if get_origin(hint) is tuple:
        (item, *_) = get_args(hint)
        return tuple(_restore(item, v) for v in value)
    if get_origin(hint) is dict:
        _, item = get_args(hint)
        return {key: _restore(item, v) for key, v in value.items()}
    return value
