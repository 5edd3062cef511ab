"""The tables of stock workers that have one of their own, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DUPLICATES = ("keep_first", "replace", "reject")
CONFLICT = ("warning", "failure")
INCOMPLETE = ("refuse", "keep")
PATIENT_MISMATCH = ("separate", "refuse")
STAGE = ("", "spool")


@dataclass(frozen=True, slots=True)
class ArchiveSettings:
    """The `[archive]` table, which the installed workers get among their options."""

    duplicates: str = "keep_first"
    """Policy for different content under the UID of a stored instance: keep_first, replace, reject.
    """
    incomplete: str = "refuse"
    """refuse, or keep: what happens to an instance without a Study or Series Instance UID."""
    conflict: str = "warning"
    """keep_first sets the other content aside, and answers with a warning or a failure."""
    patient_mismatch: str = "separate"
    """Policy for a study under another Patient ID than before: separate (both are told), refuse."""
    dsn: str = ""
    """Connection string of a PostgreSQL index; empty: an SQLite file in the archive."""
    holder: str = ""
    """AE title from which peers retrieve these instances; empty: gateway.ae_title."""
    fetch_address: str = ""
    """HOST or HOST:PORT at which gateways that share one index fetch files from this one; empty:
    the address from which it connects to the database, and the port that it listens on."""
    shared: bool = False
    """The gateways that share one index can read each other's files under the same paths."""
    guard: str = ""
    """A file that exists only while the volume of the archive is mounted; empty: none."""
    transform: tuple[str, ...] = ()
    """Workers that are asked, in this order, what to keep in place of an instance that arrived;
    if one of them does not answer, nothing is kept."""
    transform_limit: int = 2_147_483_648
    """Bytes that a data set may have after a transform."""
    store: str = ""
    """s3://BUCKET/PREFIX: instances are kept there as objects; empty: in the directory."""
    store_endpoint: str = ""
    """URL of the S3 service; empty: that of AWS."""
    store_region: str = "us-east-1"
    """Region of the bucket."""
    store_credentials: str = ""
    """File with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; empty: those of the environment."""
    store_ca: str = ""
    """PEM file with the CA of the service's certificate; empty: those that the system trusts."""
    stage: str = ""
    """What counts as durable while the store is out of reach: nothing if empty, so that C-STOREs
    fail; spool: a synced file on this host, which is put into the store afterwards."""
    stage_max: int = 10_737_418_240
    """Bytes that may wait on this host for the store."""
    relational: bool = False
    """Accept relational queries in extended negotiation (PS3.4 C.5.1.1)."""
    transcode: bool = False
    """Transcode what a C-GET or C-MOVE cannot send as it is stored, without loss."""
    combined: bool = False
    """Accept combined date and time matching in extended negotiation (PS3.4 C.5.1.1)."""

    @property
    def holder_of_files(self) -> str:
        """The name of this gateway in rows of the index; empty in an index of its own."""
        return self.holder if self.dsn else ""


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The `[web]` table, for the worker `web`: metrics, health and the page."""

    host: str = "127.0.0.1"
    """Address of the page; beyond loopback it needs a certificate, or `behind_proxy`."""
    port: int = 11180
    """Port of the page; 0: any free port."""
    names: tuple[str, ...] = ()
    """Further host names in addresses of the page, as of a proxy in front of it."""
    certificate: str = ""
    """PEM file with the page's certificate and its chain; empty: no TLS."""
    key: str = ""
    """PEM file with its key; empty: it is in the same file."""
    behind_proxy: bool = False
    """A proxy in front of the page does TLS: it may listen beyond loopback without."""
    probes: str = ""
    """ADDRESS:PORT for /livez, /readyz and /metrics alone, without token; empty: at the page."""


@dataclass(frozen=True, slots=True)
class CommitmentSettings:
    """The `[commitment]` table, for the worker `commitment` (PS3.4 annex J)."""

    keep_for: float = 604_800.0
    """Time for which a report that the peer did not confirm is tried again; then it is dropped."""
    most_open: int = 10_000
    """Transactions without a confirmed report: one peer may have a third (else 0213)."""
    most_bytes: int = 268_435_456
    """Their bytes on disk, shared in the same way."""


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """The `[retention]` table, for the worker `retention` and `dicom-gateway archive retention`."""

    max_age: float = 0.0
    """Delete a study this long after it received its last instance; 0: never for its age."""
    min_free: int = 0
    """Delete the oldest studies while fewer bytes of the disk are free; 0: never."""
    min_age: float = 86_400.0
    """Keep a study that received something within this time, whatever the other settings say."""
    every: float = 3600.0
    """Time between two looks of the worker."""


@dataclass(frozen=True, slots=True)
class TranscodingSettings:
    """The `[transcoding]` table: the bounds of the processes that decode and encode pixel data."""

    processes: int = 1
    """Processes for each process of a worker that transcodes, started when they are needed."""
    time: float = 120.0
    """Time for one instance; for a C-GET it is at most 20 s, less than the deadline of its answer.
    """
    memory: int = 1_073_741_824
    """Bytes that a process may allocate; the largest frame may have a quarter of that."""
    largest: int = 2_147_483_648
    """Bytes of the pixel data of an instance, decompressed, up to which it is transcoded."""


PRIORITIES = ("high", "normal", "low")
"""Of a route: what waits for a destination is sent in this order."""
ALL, FAIL_OVER, ROUND_ROBIN = MODES = ("all", "fail_over", "round_robin")
"""What several destinations of a route are for."""


@dataclass(frozen=True, slots=True)
class ForwardRoute:
    """An entry of `[[routes]]`: which stored instances are sent, and where to.

    Every route whose condition holds is followed.
    """

    name: str = ""
    """Shown where the route decides; empty: its number."""
    when: str = ""
    """The condition, such as 'Modality == "CT" and calling like "CT*"'; empty: every instance."""
    destinations: tuple[str, ...] = ()
    """Names in `[destinations]`."""
    mode: str = ALL
    """all: to each of them; fail_over: to the first that can be reached; round_robin: in turn."""
    priority: str = "normal"
    """high, normal or low."""
    delay: float = 0.0
    """Time that an instance waits before it is sent."""
    hook: str = ""
    """MODULE:FUNCTION, called with an instance for which the condition holds; it returns names of
    destinations in place of those here, True for those here, or False for none."""
    transform: tuple[str, ...] = ()
    """Workers that are asked, in this order, what to send in place of an instance; if one of them
    does not answer, nothing is sent. The archive keeps the instance as it is."""


@dataclass(frozen=True, slots=True)
class ForwardSettings:
    """The `[forward]` table, for the worker `forward`: how instances of `[[routes]]` are sent."""

    calling_ae_title: str = ""
    """The AE title under which instances are sent; empty: that of the archive."""
    first_pause: float = 5.0
    """Time before the second attempt; each further pause is twice as long."""
    longest_pause: float = 300.0
    """The longest time between two attempts."""
    attempts: int = 10
    """An instance that a destination fails so often is parked, until an operator decides."""
    keep_for: float = 2_592_000.0
    """An instance that was not delivered within this time is parked; 0: never for that reason."""
    routes: tuple[ForwardRoute, ...] = ()
    """Written as [[routes]]: which instances are sent, and where to."""


@dataclass(frozen=True, slots=True)
class CoerceRule:
    """An entry of `[[coerce.rules]]`: what is changed of instances from some associations.

    All rules that hold are applied, in their order. Attributes are named by keyword or as
    (GGGG,EEEE); those in items as RequestAttributesSequence[0].ScheduledProcedureStepID, or with
    [*] for all items.
    """

    name: str = ""
    """For whoever reads the configuration."""
    calling: tuple[str, ...] = ()
    """Calling AE titles; `*` and `?` stand for any characters; empty: any."""
    called: tuple[str, ...] = ()
    """Called AE titles; empty: any."""
    set: dict[str, Any] = field(default_factory=dict)
    """Attributes with the values that they get."""
    default: dict[str, Any] = field(default_factory=dict)
    """Attributes with the values that they get where they are missing or empty."""
    remove: tuple[str, ...] = ()
    """Attributes that are removed."""
    source: str = ""
    """Source of Previous Values in Original Attributes Sequence; empty: the calling AE title."""
    reason: str = "COERCE"
    """Reason for the Attribute Modification in it: COERCE, or CORRECT."""


@dataclass(frozen=True, slots=True)
class CoerceSettings:
    """The `[coerce]` table, for the worker `coerce`, which `[archive] transform` names."""

    original_attributes: bool = False
    """What an instance had before is noted in it: Original Attributes Sequence (0400,0561)."""
    modifying_system: str = ""
    """Modifying System (0400,0563) of that; empty: the called AE title."""
    rules: tuple[CoerceRule, ...] = ()
    """Written as [[coerce.rules]]: what is set, removed or filled in."""


@dataclass(frozen=True, slots=True)
class DicomWebSettings:
    """The `[dicomweb]` table, for the worker `dicomweb` (PS3.18)."""

    host: str = "127.0.0.1"
    """Address of the service; beyond loopback it needs a certificate, or `behind_proxy`."""
    port: int = 11190
    """Port of the service; 0: any free port."""
    names: tuple[str, ...] = ()
    """Further host names in addresses of the service."""
    certificate: str = ""
    """PEM file with the service's certificate and its chain; empty: no TLS."""
    key: str = ""
    """PEM file with its key; empty: it is in the same file."""
    behind_proxy: bool = False
    """A proxy in front of the service does TLS: it may listen beyond loopback without."""
    token: str = ""
    """The token that clients send as `Authorization: Bearer`; empty: the one of the page."""
    ae_title: str = "DICOMWEB"
    """Calling AE title with which instances that arrive are stored."""
    longest: int = 4_294_967_296
    """Longest instance to receive, in bytes."""
