"""SOP classes and well-known SOP instances by their keywords: `sop_class.CTImageStorage`.

Each is a `str`, with what the registry knows about it as attributes.
"""

from __future__ import annotations

from gateway import uid as registry
from gateway.dimse.services import SERVICES, Service, service_of
from gateway.uid import UIDS, Kind


class UID(str):
    """A UID that knows its place in the registry (PS3.6 annex A)."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The registered name, or the UID itself."""
        return registry.name_of(self)

    @property
    def keyword(self) -> str:
        """The registered keyword, or nothing."""
        return UIDS[self].keyword if self in UIDS else ""

    @property
    def is_retired(self) -> bool:
        return self in UIDS and UIDS[self].retired

    @property
    def is_valid(self) -> bool:
        """It obeys PS3.5 9.1."""
        return registry.is_valid(self)

    @property
    def is_private(self) -> bool:
        """It does not come from the DICOM root."""
        return not self.startswith("1.2.840.10008.")


class SOPClass(UID):
    """A SOP class, or meta SOP class, and its service."""

    __slots__ = ()

    @property
    def service_class(self) -> Service:
        """Its service class (PS3.4); storage if nobody knows it."""
        return service_of(self)


def uid_to_sop_class(uid: str) -> SOPClass:
    """The SOP class of that UID, a private one too."""
    return SOPClass(uid)


def uid_to_service_class(uid: str) -> Service:
    """The service class of the SOP class `uid` (PS3.4); storage if nobody knows it."""
    return service_of(uid)


_KINDS = {Kind.SOP_CLASS: SOPClass, Kind.META_SOP_CLASS: SOPClass, Kind.SOP_INSTANCE: UID}

_OTHER_NAMES = {
    "ColorPaletteInformationModelFind": "ColorPaletteQueryRetrieveInformationModelFind",
    "ColorPaletteInformationModelMove": "ColorPaletteQueryRetrieveInformationModelMove",
    "ColorPaletteInformationModelGet": "ColorPaletteQueryRetrieveInformationModelGet",
    "ModalityWorklistInformationFind": "ModalityWorklistInformationModelFind",
    "OphthlamicOpticalCoherenceTomographyBscanVolumeAnalysisStorage": (
        "OphthalmicOpticalCoherenceTomographyBscanVolumeAnalysisStorage"
    ),
    "PseudoColorSoftcopyPresentationStageStorage": "PseudoColorSoftcopyPresentationStateStorage",
    "RTBrachyApplicationSetupDeliveryInstructionsStorage": (
        "RTBrachyApplicationSetupDeliveryInstructionStorage"
    ),
    "RoboticArmRadiationRecordStorage": "RoboticRadiationRecordStorage",
    "VariableModalityLUTSoftcopyPresentationStageStorage": (
        "VariableModalityLUTSoftcopyPresentationStateStorage"
    ),
}
"""Names of pynetdicom that are not the registered keywords."""

_NAMES: dict[str, UID] = {
    row.keyword: _KINDS[row.kind](uid) for uid, row in UIDS.items() if row.kind in _KINDS
}
_NAMES |= {other: _NAMES[keyword] for other, keyword in _OTHER_NAMES.items()}

__all__ = ["UID", "SOPClass", "sop_classes_of", "uid_to_service_class", "uid_to_sop_class"]
__all__ += sorted(_NAMES)


def sop_classes_of(service: str, *, retired: bool = False) -> list[SOPClass]:
    """The SOP classes and meta SOP classes of the services of that name, by UID."""
    return sorted(
        SOPClass(uid)
        for uid in UIDS.keys() & SERVICES  # not those of register_uid
        if SERVICES[uid].name == service and (retired or not UIDS[uid].retired)
    )


def add(keyword: str, uid: str) -> None:
    """Make `keyword` name a UID that the registry does not have."""
    _NAMES[keyword] = SOPClass(uid)


def __getattr__(name: str) -> UID:
    try:
        return _NAMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})
