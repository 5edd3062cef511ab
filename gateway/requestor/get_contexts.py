"""The contexts that a C-GET proposes: the information model, and storage with reversed roles.

An association has at most 128 contexts, and there are more storage SOP classes than that, in many
transfer syntaxes; the acceptor chooses one syntax for each context. By default `get_contexts`
proposes the SOP classes that are common in the field, uncompressed, and those of images a second
time in the compressed syntaxes, so that a compressed original has a context of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.datasets import BASIC_SYNTAXES
from gateway.errors import LocalProtocolError
from gateway.uid import KEYWORDS, STORAGE_SOP_CLASSES, UIDS
from gateway.ul.negotiation import MAX_CONTEXTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.requestor.proposal import Contexts


def _uids(keywords: str) -> tuple[str, ...]:
    return tuple(KEYWORDS[keyword] for keyword in keywords.split())


COMPRESSED = _uids("""
    JPEG2000Lossless JPEGLosslessSV1 JPEGLSLossless RLELossless JPEGBaseline8Bit JPEG2000
    JPEGLSNearLossless JPEGExtended12Bit JPEGLossless HTJ2KLossless MPEG4HP41 MPEG2MPHL
    MPEG2MPML
""")

_RARE = """
    DICOS EddyCurrent HeightMap Ophthalmic WideField Surface Implant Inventory Protocol
    HangingProtocol ColorPalette Delivery RadiationRecord RadiationSalvage ArmRadiation
    TomotherapeuticRadiation RTRadiation RTTreatmentPreparation RTPatientPosition RTSegment
    RTPhysician EncapsulatedOBJ EncapsulatedMTL Electromyogram Electrooculogram Photoacoustic
    Measurements Stereometric Calculations IntravascularOptical ConfocalMicroscopy SleepElectro
    RoutineScalp BodyPosition Respiratory ImagingAgent WaveformAnnotation WaveformPresentation
    WaveformAcquisition PlanarMPR VolumeRendering CArm Tractography BulkSimpleAnnotations
"""
"""Parts of keywords of SOP classes that are proposed only when named."""

_IMAGES = _uids("""
    CTImageStorage MRImageStorage UltrasoundImageStorage UltrasoundMultiFrameImageStorage
    SecondaryCaptureImageStorage ComputedRadiographyImageStorage
    DigitalXRayImageStorageForPresentation DigitalMammographyXRayImageStorageForPresentation
    BreastTomosynthesisImageStorage XRayAngiographicImageStorage
    XRayRadiofluoroscopicImageStorage NuclearMedicineImageStorage
    PositronEmissionTomographyImageStorage EnhancedCTImageStorage EnhancedMRImageStorage
    VLEndoscopicImageStorage VLPhotographicImageStorage VLWholeSlideMicroscopyImageStorage
    RTDoseStorage SegmentationStorage
""")


def common_sop_classes() -> tuple[str, ...]:
    """Return the storage SOP classes that are proposed by default, the most usual ones first."""
    rare = _RARE.split()
    usual = [
        uid
        for uid in STORAGE_SOP_CLASSES
        if not UIDS[uid].retired and not any(word in UIDS[uid].keyword for word in rare)
    ]
    return tuple(dict.fromkeys((*_IMAGES, *usual)))[: MAX_CONTEXTS - 1 - len(_IMAGES)]


def get_contexts(
    model: str, sop_classes: Sequence[str] = (), transfer_syntaxes: Sequence[str] = ()
) -> tuple[Contexts, dict[str, tuple[bool, bool]]]:
    """Return the contexts of a C-GET, and the roles: SCU of the model, SCP of storage.

    With transfer syntaxes given, each SOP class gets a context for each of them. Raises
    LocalProtocolError if that makes more than 128 contexts.
    """
    classes = tuple(sop_classes) or common_sop_classes()
    storage: list[tuple[str, tuple[str, ...]]]
    if transfer_syntaxes:
        storage = [(uid, (syntax,)) for uid in classes for syntax in transfer_syntaxes]
    elif sop_classes:
        storage = [pair for uid in classes for pair in ((uid, BASIC_SYNTAXES), (uid, COMPRESSED))]
    else:
        storage = [(uid, BASIC_SYNTAXES) for uid in classes]
        storage += [(uid, COMPRESSED) for uid in _IMAGES]
    if len(storage) >= MAX_CONTEXTS:
        raise LocalProtocolError(
            f"{len(classes)} SOP classes in these transfer syntaxes take {len(storage)} contexts; "
            f"an association has room for {MAX_CONTEXTS - 1}"
        )
    return ((model, BASIC_SYNTAXES), *storage), dict.fromkeys(classes, (False, True))
