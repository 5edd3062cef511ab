"""All settings with their defaults, as frozen dataclasses.

This is the one place where a default is stated. `gateway.config` reads settings from a file, the
environment and options, and states the valid values. To add a setting, add a field here, a rule in
`gateway.config.tables`, and a line in `deploy/gateway.toml`; tests compare the three.

Times are in seconds, sizes in bytes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from gateway.destination_settings import Destination as Destination  # noqa: TC001 - for from_map
from gateway.policy_settings import PolicySettings
from gateway.tls_settings import TlsSettings as TlsSettings
from gateway.worker_settings import CONFLICT as CONFLICT
from gateway.worker_settings import DUPLICATES as DUPLICATES
from gateway.worker_settings import INCOMPLETE as INCOMPLETE
from gateway.worker_settings import PATIENT_MISMATCH as PATIENT_MISMATCH
from gateway.worker_settings import STAGE as STAGE
from gateway.worker_settings import ArchiveSettings as ArchiveSettings
from gateway.worker_settings import CoerceRule as CoerceRule
from gateway.worker_settings import CoerceSettings as CoerceSettings
from gateway.worker_settings import CommitmentSettings as CommitmentSettings
from gateway.worker_settings import DicomWebSettings as DicomWebSettings
from gateway.worker_settings import ForwardRoute as ForwardRoute
from gateway.worker_settings import ForwardSettings as ForwardSettings
from gateway.worker_settings import RetentionSettings as RetentionSettings
from gateway.worker_settings import TranscodingSettings as TranscodingSettings
from gateway.worker_settings import WebSettings as WebSettings

SettingsType = TypeVar("SettingsType")

AUTO = "auto"
"""In place of a number of acceptors."""
MOST_ACCEPTORS = 64


@dataclass(frozen=True, slots=True)
class AssociationSettings:
    """The `[association]` table: limits and timeouts of each association."""

    max_pdu: int = 256 * 1024
    """Largest P-DATA-TF PDU to receive: the maximum length announced to peers (PS3.8 D.1)."""
    artim_timeout: float = 30.0
    """Time limit for the whole A-ASSOCIATE-RQ, and for the peer to close the connection."""
    acse_timeout: float = 30.0
    """Time limit for the peer's response to an association or release request."""
    dimse_timeout: float = 30.0
    """Time limit for the next bytes of a message that has begun."""
    network_timeout: float = 60.0
    """Idle limit: abort an association without open operations on which nothing is received."""
    send_timeout: float = 30.0
    """Abort an association whose peer does not read what is sent to it for this time."""
    max_associations: int = 1024
    """Associations of the gateway. At the limit the address that has most of them loses one to a
    newcomer from another address; a newcomer from that address is rejected (2,3,2)."""
    max_pending: int = 2048
    """Connections of the gateway that have not yet sent their A-ASSOCIATE-RQ, TLS handshakes
    included; beyond it the address that has most of them loses its oldest."""
    max_operations_performed: int = 16
    """Operations in flight on one association, if the peer proposes an operations window."""


@dataclass(frozen=True, slots=True)
class LimitsSettings:
    """The `[limits]` table: what peers may take, and when one of them gives way to others."""

    gathered: int = 64 * 1024 * 1024
    """Identifiers and data sets of N-services that are in memory at a time, in the whole gateway;
    beyond it requests of the address that has most are answered with a failure (A700)."""
    identifier: int = 1024 * 1024
    """Longest identifier of a C-FIND, C-GET or C-MOVE."""
    data_set: int = 32 * 1024 * 1024
    """Longest data set of an N-service."""
    data_rate: int = 1024
    """Bytes a second that must arrive of a message that has begun, on the average of
    `data_rate_period`, or the association is aborted; 0: any number."""
    data_rate_period: float = 20.0
    """The time over which `data_rate` is measured."""
    instances_per_second: int = 0
    """Instances that an address may store in a second, on the average; the gateway reads no faster.
    0: any number."""
    associations_per_address: int = 0
    """Associations that an address may have; 0: up to `max_associations`."""
    associations_per_title: int = 0
    """Associations that a calling AE title may have at one address; 0: up to `max_associations`."""
    trusted: tuple[str, ...] = ()
    """Networks, such as 10.0.0.0/24, whose addresses are not counted: balancers, behind which many
    peers have one address, and which send no PROXY protocol header (`gateway.balancers`)."""


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """The `[spool]` table: data sets on their way to a worker."""

    inline_max: int = 64 * 1024
    """Data sets up to this size are sent to the worker in the message, larger ones as a file."""
    min_free: int = 256 * 1024 * 1024
    """With less free disk space, C-STORE fails with status A700 (out of resources)."""
    refuse_below: int = 512 * 1024 * 1024
    """With less free disk space, associations that only store are rejected (2,3,2); 0: never."""


@dataclass(frozen=True, slots=True)
class FabricSettings:
    """The `[fabric]` table: the messages between acceptors and workers."""

    heartbeat: float = 1.0
    """Interval of heartbeats; a process that misses three is considered dead."""
    lease_grace: float = 10.0
    """The time for which requests wait for a dead worker to come back."""
    queue: int = 1024
    """Maximum number of requests that wait for a worker, for each event."""
    ring: int = 1024
    """Notifications of each topic that are kept for replay."""
    high_water_mark: int = 10_000
    """Notifications queued for one watcher; further ones are lost, and the watcher is informed."""
    listen: str = ""
    """tcp://ADDRESS:PORT for workers on other hosts, with CURVE; acceptor N takes the ports
    PORT + 2 N and the next one. Empty: none."""
    keys: str = ""
    """Directory of the gateway's key and of the list of allowed keys; empty: `keys` in the data
    directory."""
    connections: int = 256
    """Maximum number of connections from other hosts to each of an acceptor's two ports."""
    connect: str = ""
    """For `dicom-gateway worker`: tcp://HOST:PORT of a gateway on another host; empty: this one."""
    server_key: str = ""
    """The public key of that gateway."""
    key_file: str = ""
    """The file with the worker's own key."""
    shared_spool: str = ""
    """Directory where this host sees the spool of that gateway; empty: data sets are sent."""

    def here(self) -> FabricSettings:
        """Return the settings for the gateway of this host, whatever `connect` names."""
        return replace(self, connect="")

    def keys_dir(self, run_dir: Path) -> Path:
        """Return the directory of the gateway's key and of the list of allowed keys."""
        return Path(self.keys) if self.keys else run_dir.parent / "keys"


@dataclass(frozen=True, slots=True)
class LogSettings:
    """The `[log]` table: log lines on standard error."""

    level: str = "info"
    """debug, info, warning or error."""
    format: str = "text"
    """text or json."""
    repeats: int = 100
    """Warnings and errors of one kind that a process logs in 10 seconds; 0: all."""


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """The `[gateway]` table: address, AE title, data directory and processes."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 or :: for all interfaces."""
    port: int = 11112
    """Port to listen on; 0: any free port, printed when the gateway is ready."""
    ae_title: str = "GATEWAY"
    """AE title of the gateway, 1 to 16 characters."""
    data: str = "./gateway-data"
    """Directory of the spool, the archive and run/; relative to the working directory."""
    acceptors: int | str = 1
    """Processes that accept associations on the port; auto: as many as suit the machine."""
    balancers: tuple[str, ...] = ()
    """Networks, such as 10.0.0.5/32, of balancers that send a PROXY protocol header (v1, v2), which
    is then required: the peer that it names takes the balancer's place in limits, policy and log.
    """
    durability: str = "durable"
    """durable: success means synced to disk; written: success means handed to the kernel."""
    drain_timeout: float = 10.0
    """Time for messages in progress to finish when the gateway stops."""
    hang_timeout: float = 15.0
    """A process of the gateway that gives no sign of life for this time is replaced; 0: never."""


@dataclass(frozen=True, slots=True)
class WorkerTable:
    """A `[workers.NAME]` table; NAME is the name of the worker's lease."""

    enabled: bool = True
    worker: str = ""
    """MODULE:ATTRIBUTE, or the name of an entry point of `dicom_gateway.workers`; empty: NAME."""
    processes: int = 1
    """Processes that share the work."""
    concurrency: int = 0
    """Requests that one process handles at the same time; 0: the number in the worker's code."""
    options: dict[str, Any] = field(default_factory=dict)
    """The options of the worker itself."""


STOCK_WORKERS = ("storage", "query", "retrieve", "commitment", "web")
"""The workers that run unless the configuration says otherwise."""


WORKER_TABLES = (
    "archive",
    "commitment",
    "retention",
    "coerce",
    "forward",
    "transcoding",
    "dicomweb",
    "web",
)
"""The tables of the configuration that installed workers get beside their own options."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration of a gateway."""

    gateway: ServeSettings = field(default_factory=ServeSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    association: AssociationSettings = field(default_factory=AssociationSettings)
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    spool: SpoolSettings = field(default_factory=SpoolSettings)
    fabric: FabricSettings = field(default_factory=FabricSettings)
    log: LogSettings = field(default_factory=LogSettings)
    archive: ArchiveSettings = field(default_factory=ArchiveSettings)
    web: WebSettings = field(default_factory=WebSettings)
    commitment: CommitmentSettings = field(default_factory=CommitmentSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    coerce: CoerceSettings = field(default_factory=CoerceSettings)
    forward: ForwardSettings = field(default_factory=ForwardSettings)
    transcoding: TranscodingSettings = field(default_factory=TranscodingSettings)
    dicomweb: DicomWebSettings = field(default_factory=DicomWebSettings)
    workers: dict[str, WorkerTable] = field(
        default_factory=lambda: {name: WorkerTable() for name in STOCK_WORKERS}
    )
    destinations: dict[str, Destination] = field(default_factory=dict)
    """Destinations by the AE title in a C-MOVE request, and by name in `[[routes]]`."""


@dataclass(frozen=True, slots=True)
class ContextSettings:
    """An abstract syntax that an acceptor supports."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    """In order of preference."""
    scu_role: bool | None = None
    scp_role: bool | None = None
    """Roles that a requestor may propose; None: role selection is ignored."""


@dataclass(frozen=True, slots=True)
class RememberedWorker:
    """What a worker has registered for, as acceptors that start later are told."""

    name: str
    events: dict[str, list[str] | None] = field(default_factory=dict)
    """Its intervention events, with the SOP classes that it names; None: it names none."""
    sends: tuple[str, ...] = ()
    """SOP classes for which it sends requests."""
    seconds: float | None = None
    """For how long it still counts as serving; None: without end."""


@dataclass(frozen=True, slots=True)
class AcceptorSettings:
    """The settings of an acceptor process."""

    index: int
    """0, 1, ...: part of the names of its sockets and of its spool directory."""
    ae_title: str
    run_dir: str
    spool_dir: str
    data_dir: str = ""
    """Another directory whose disk must have free space; empty: none."""
    revision: int = 1
    """The number of the configuration: each reload adds one."""
    expect: tuple[str, ...] = ()
    """Names of the configured workers; requests wait until they have registered."""
    remembered: tuple[RememberedWorker, ...] = ()
    """Workers that are known from earlier: they count as serving before they have registered."""
    drain_timeout: float = ServeSettings().drain_timeout
    drain_idle: float = 2.0
    """When it stops: an association without open operations on which nothing was received for this
    time is aborted before the others have finished."""
    durable: bool = True
    """False: nothing is synced, even if a worker asks for it (`durability = "written"`)."""
    contexts: tuple[ContextSettings, ...] = ()
    """The only abstract syntaxes to accept; empty: those that a worker serves."""
    services: dict[str, str] = field(default_factory=dict)
    """For a UID that is not registered, a SOP class with the same service."""
    checks_data_sets: bool = True
    """Refuse a C-STORE whose data set is none, or is not that of the command; False: its handler
    decides."""
    implementation_class_uid: str = ""
    """Empty: the gateway's own."""
    implementation_version_name: str | None = ""
    """Empty: the gateway's own; None: send none."""
    tls: TlsSettings = field(default_factory=TlsSettings)
    scratch: str = ""
    """A directory for this acceptor alone, which it removes when it exits."""
    acceptors: int = 1
    """The number of acceptors of the gateway, which share its limits."""
    balancers: tuple[str, ...] = ()
    """Networks of balancers that send a PROXY protocol header."""
    association: AssociationSettings = field(default_factory=AssociationSettings)
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    spool: SpoolSettings = field(default_factory=SpoolSettings)
    fabric: FabricSettings = field(default_factory=FabricSettings)
    log: LogSettings = field(default_factory=LogSettings)

    @property
    def name(self) -> str:
        return f"acceptor-{self.index}"


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The settings of a worker process."""

    name: str
    """The name of its lease; empty: the name in its code."""
    target: str
    """MODULE:ATTRIBUTE of the Worker, or the name of an entry point of `dicom_gateway.workers`."""
    member: int
    generation: int
    """0: one more than the highest that the acceptors know."""
    run_dir: str
    data_dir: str
    revision: int = 1
    """The number of the configuration: each reload adds one."""
    path: tuple[str, ...] = ()
    """Directories to put in front of sys.path."""
    concurrency: int = 0
    """0: the number in the worker's code."""
    durable: bool = True
    drain_timeout: float = ServeSettings().drain_timeout
    options: dict[str, Any] = field(default_factory=dict)
    """The options of the worker in the configuration."""
    destinations: dict[str, Destination] = field(default_factory=dict)
    """The destinations of C-MOVE, by AE title."""
    tls: TlsSettings = field(default_factory=TlsSettings)
    association: AssociationSettings = field(default_factory=AssociationSettings)
    """The timeouts of the associations with them."""
    fabric: FabricSettings = field(default_factory=FabricSettings)
    log: LogSettings = field(default_factory=LogSettings)


def to_map(settings: Any) -> dict[str, Any]:
    """Return the settings as values that JSON can carry."""
    return asdict(settings)


def from_map(kind: type[SettingsType], values: dict[str, Any]) -> SettingsType:
    """Return the settings that `to_map` was called on; raises TypeError for an unknown key."""
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
