"""Unique identifiers (PS3.5 9) and the registry of them (PS3.6 annex A).

`python -m tests.dimse.generate_uid` generates the table below the marker from pydicom's dictionary,
and a test compares the two. The table is a copy because the acceptor must not import pydicom.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

IMPLEMENTATION_CLASS_UID = "2.25.287608364086448010779049876654074750974"
"""Identifies this implementation in association negotiation (PS3.7 D.3.3.2) and in files."""

IMPLEMENTATION_VERSION_NAME = "DICOM_GATEWAY_01"
"""At most 16 characters (PS3.7 D.3.3.2.3)."""

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"
EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.70"
UNIFIED_PROCEDURE_STEP_PUSH = "1.2.840.10008.5.1.4.34.6.1"

MAX_LENGTH = 64
"""The maximum number of characters of a UID (PS3.5 9.1)."""

_UID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*")
_TOLERABLE = re.compile(r"[0-9]+(?:\.[0-9]+)*")


class Kind(StrEnum):
    """The UID Type column of PS3.6 table A-1."""

    SOP_CLASS = "SOP Class"
    META_SOP_CLASS = "Meta SOP Class"
    SERVICE_CLASS = "Service Class"
    TRANSFER_SYNTAX = "Transfer Syntax"
    APPLICATION_CONTEXT_NAME = "Application Context Name"
    SOP_INSTANCE = "Well-known SOP Instance"
    FRAME_OF_REFERENCE = "Well-known frame of reference"
    SYNCHRONIZATION = "Synchronization Frame of Reference"
    CODING_SCHEME = "Coding Scheme"
    UIDS_AS_CODING_SCHEME = "DICOM UIDs as a Coding Scheme"
    MAPPING_RESOURCE = "Mapping Resource"
    HOSTING_MODEL = "Application Hosting Model"
    LDAP_OID = "LDAP OID"


class Uid(NamedTuple):
    """One row of the registry."""

    name: str
    kind: Kind
    keyword: str
    retired: bool


_NEWER: dict[Kind, dict[str, tuple[str, str, bool]]] = {
    Kind.TRANSFER_SYNTAX: {
        "1.2.840.10008.1.2.4.110": ("JPEG XL Lossless", "JPEGXLLossless", False),
        "1.2.840.10008.1.2.4.111": (
            "JPEG XL JPEG Recompression",
            "JPEGXLJPEGRecompression",
            False,
        ),
        "1.2.840.10008.1.2.4.112": ("JPEG XL", "JPEGXL", False),
        "1.2.840.10008.1.2.8.1": (
            "Deflated Image Frame Compression",
            "DeflatedImageFrameCompression",
            False,
        ),
    },
    Kind.SOP_CLASS: {
        "1.2.840.10008.5.1.4.1.1.9.100.1": (
            "Waveform Presentation State Storage",
            "WaveformPresentationStateStorage",
            False,
        ),
        "1.2.840.10008.5.1.4.1.1.9.100.2": (
            "Waveform Acquisition Presentation State Storage",
            "WaveformAcquisitionPresentationStateStorage",
            False,
        ),
        "1.2.840.10008.5.1.4.1.1.66.7": (
            "Label Map Segmentation Storage",
            "LabelMapSegmentationStorage",
            False,
        ),
        "1.2.840.10008.5.1.4.1.1.66.8": (
            "Height Map Segmentation Storage",
            "HeightMapSegmentationStorage",
            False,
        ),
    },
}
"""UIDs that are registered but not in the dictionary below."""


def is_valid(uid: str) -> bool:
    """Return whether a UID is valid: components without leading zeros, 64 characters (PS3.5 9.1)."""
    return len(uid) <= MAX_LENGTH and _UID.fullmatch(uid) is not None


def is_tolerable(uid: str) -> bool:
    """Return whether a UID of a peer is acceptable: valid, except that leading zeros are allowed.

    Instances with such UIDs exist in every archive, and would be lost if they were refused.
    """
    return len(uid) <= MAX_LENGTH and _TOLERABLE.fullmatch(uid) is not None


def name_of(uid: str) -> str:
    """Return the registered name of a UID, or the UID itself if it has none."""
    row = UIDS.get(uid)
    return row.name if row else uid


# fmt: off
# ruff: noqa: E501 - one row a line
# --- generated below: python -m tests.dimse.generate_uid ---
_TABLE: dict[Kind, dict[str, tuple[str, str, bool]]] = {
    Kind.SOP_CLASS: {
        "1.2.840.10008.1.1": ("Verification SOP Class", "Verification", False),
        "1.2.840.10008.1.3.10": ("Media Storage Directory Storage", "MediaStorageDirectoryStorage", False),
        "1.2.840.10008.1.9": ("Basic Study Content Notification SOP Class", "BasicStudyContentNotification", True),
        "1.2.840.10008.1.20.1": ("Storage Commitment Push Model SOP Class", "StorageCommitmentPushModel", False),
        "1.2.840.10008.1.20.2": ("Storage Commitment Pull Model SOP Class", "StorageCommitmentPullModel", True),
        "1.2.840.10008.1.40": ("Procedural Event Logging SOP Class", "ProceduralEventLogging", False),
        "1.2.840.10008.1.42": ("Substance Administration Logging SOP Class", "SubstanceAdministrationLogging", False),
        "1.2.840.10008.3.1.2.1.1": ("Detached Patient Management SOP Class", "DetachedPatientManagement", True),
        "1.2.840.10008.3.1.2.2.1": ("Detached Visit Management SOP Class", "DetachedVisitManagement", True),
        "1.2.840.10008.3.1.2.3.1": ("Detached Study Management SOP Class", "DetachedStudyManagement", True),
        "1.2.840.10008.3.1.2.3.2": ("Study Component Management SOP Class", "StudyComponentManagement", True),
        "1.2.840.10008.3.1.2.3.3": ("Modality Performed Procedure Step SOP Class", "ModalityPerformedProcedureStep", False),
        "1.2.840.10008.3.1.2.3.4": ("Modality Performed Procedure Step Retrieve SOP Class", "ModalityPerformedProcedureStepRetrieve", False),
        "1.2.840.10008.3.1.2.3.5": ("Modality Performed Procedure Step Notification SOP Class", "ModalityPerformedProcedureStepNotification", False),
        "1.2.840.10008.3.1.2.5.1": ("Detached Results Management SOP Class", "DetachedResultsManagement", True),
        "1.2.840.10008.3.1.2.6.1": ("Detached Interpretation Management SOP Class", "DetachedInterpretationManagement", True),
        "1.2.840.10008.5.1.1.1": ("Basic Film Session SOP Class", "BasicFilmSession", False),
        "1.2.840.10008.5.1.1.2": ("Basic Film Box SOP Class", "BasicFilmBox", False),
        "1.2.840.10008.5.1.1.4": ("Basic Grayscale Image Box SOP Class", "BasicGrayscaleImageBox", False),
        "1.2.840.10008.5.1.1.4.1": ("Basic Color Image Box SOP Class", "BasicColorImageBox", False),
        "1.2.840.10008.5.1.1.4.2": ("Referenced Image Box SOP Class", "ReferencedImageBox", True),
        "1.2.840.10008.5.1.1.14": ("Print Job SOP Class", "PrintJob", False),
        "1.2.840.10008.5.1.1.15": ("Basic Annotation Box SOP Class", "BasicAnnotationBox", False),
        "1.2.840.10008.5.1.1.16": ("Printer SOP Class", "Printer", False),
        "1.2.840.10008.5.1.1.16.376": ("Printer Configuration Retrieval SOP Class", "PrinterConfigurationRetrieval", False),
        "1.2.840.10008.5.1.1.22": ("VOI LUT Box SOP Class", "VOILUTBox", False),
        "1.2.840.10008.5.1.1.23": ("Presentation LUT SOP Class", "PresentationLUT", False),
        "1.2.840.10008.5.1.1.24": ("Image Overlay Box SOP Class", "ImageOverlayBox", True),
        "1.2.840.10008.5.1.1.24.1": ("Basic Print Image Overlay Box SOP Class", "BasicPrintImageOverlayBox", True),
        "1.2.840.10008.5.1.1.26": ("Print Queue Management SOP Class", "PrintQueueManagement", True),
        "1.2.840.10008.5.1.1.27": ("Stored Print Storage SOP Class", "StoredPrintStorage", True),
        "1.2.840.10008.5.1.1.29": ("Hardcopy Grayscale Image Storage SOP Class", "HardcopyGrayscaleImageStorage", True),
        "1.2.840.10008.5.1.1.30": ("Hardcopy Color Image Storage SOP Class", "HardcopyColorImageStorage", True),
        "1.2.840.10008.5.1.1.31": ("Pull Print Request SOP Class", "PullPrintRequest", True),
        "1.2.840.10008.5.1.1.33": ("Media Creation Management SOP Class UID", "MediaCreationManagement", False),
        "1.2.840.10008.5.1.1.40": ("Display System SOP Class", "DisplaySystem", False),
        "1.2.840.10008.5.1.4.1.1.1": ("Computed Radiography Image Storage", "ComputedRadiographyImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.1.1": ("Digital X-Ray Image Storage - For Presentation", "DigitalXRayImageStorageForPresentation", False),
        "1.2.840.10008.5.1.4.1.1.1.1.1": ("Digital X-Ray Image Storage - For Processing", "DigitalXRayImageStorageForProcessing", False),
        "1.2.840.10008.5.1.4.1.1.1.2": ("Digital Mammography X-Ray Image Storage - For Presentation", "DigitalMammographyXRayImageStorageForPresentation", False),
        "1.2.840.10008.5.1.4.1.1.1.2.1": ("Digital Mammography X-Ray Image Storage - For Processing", "DigitalMammographyXRayImageStorageForProcessing", False),
        "1.2.840.10008.5.1.4.1.1.1.3": ("Digital Intra-Oral X-Ray Image Storage - For Presentation", "DigitalIntraOralXRayImageStorageForPresentation", False),
        "1.2.840.10008.5.1.4.1.1.1.3.1": ("Digital Intra-Oral X-Ray Image Storage - For Processing", "DigitalIntraOralXRayImageStorageForProcessing", False),
        "1.2.840.10008.5.1.4.1.1.2": ("CT Image Storage", "CTImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.2.1": ("Enhanced CT Image Storage", "EnhancedCTImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.2.2": ("Legacy Converted Enhanced CT Image Storage", "LegacyConvertedEnhancedCTImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.3": ("Ultrasound Multi-frame Image Storage", "UltrasoundMultiFrameImageStorageRetired", True),
        "1.2.840.10008.5.1.4.1.1.3.1": ("Ultrasound Multi-frame Image Storage", "UltrasoundMultiFrameImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.4": ("MR Image Storage", "MRImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.4.1": ("Enhanced MR Image Storage", "EnhancedMRImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.4.2": ("MR Spectroscopy Storage", "MRSpectroscopyStorage", False),
        "1.2.840.10008.5.1.4.1.1.4.3": ("Enhanced MR Color Image Storage", "EnhancedMRColorImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.4.4": ("Legacy Converted Enhanced MR Image Storage", "LegacyConvertedEnhancedMRImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.5": ("Nuclear Medicine Image Storage", "NuclearMedicineImageStorageRetired", True),
        "1.2.840.10008.5.1.4.1.1.6": ("Ultrasound Image Storage", "UltrasoundImageStorageRetired", True),
        "1.2.840.10008.5.1.4.1.1.6.1": ("Ultrasound Image Storage", "UltrasoundImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.6.2": ("Enhanced US Volume Storage", "EnhancedUSVolumeStorage", False),
        "1.2.840.10008.5.1.4.1.1.6.3": ("Photoacoustic Image Storage", "PhotoacousticImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.7": ("Secondary Capture Image Storage", "SecondaryCaptureImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.7.1": ("Multi-frame Single Bit Secondary Capture Image Storage", "MultiFrameSingleBitSecondaryCaptureImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.7.2": ("Multi-frame Grayscale Byte Secondary Capture Image Storage", "MultiFrameGrayscaleByteSecondaryCaptureImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.7.3": ("Multi-frame Grayscale Word Secondary Capture Image Storage", "MultiFrameGrayscaleWordSecondaryCaptureImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.7.4": ("Multi-frame True Color Secondary Capture Image Storage", "MultiFrameTrueColorSecondaryCaptureImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.8": ("Standalone Overlay Storage", "StandaloneOverlayStorage", True),
        "1.2.840.10008.5.1.4.1.1.9": ("Standalone Curve Storage", "StandaloneCurveStorage", True),
        "1.2.840.10008.5.1.4.1.1.9.1": ("Waveform Storage - Trial", "WaveformStorageTrial", True),
        "1.2.840.10008.5.1.4.1.1.9.1.1": ("12-lead ECG Waveform Storage", "TwelveLeadECGWaveformStorage", False),
        "1.2.840.10008.5.1.4.1.1.9.1.2": ("General ECG Waveform Storage", "GeneralECGWaveformStorage", False),
        "1.2.840.10008.5.1.4.1.1.9.1.3": ("Ambulatory ECG Waveform Storage", "AmbulatoryECGWaveformStorage", False),
        "1.2.840.10008.5.1.4.1.1.9.1.4": ("General 32-bit ECG Waveform Storage", "General32bitECGWaveformStorage", False),
        "1.2.840.10008.5.1.4.1.1.9.2.1": ("Hemodynamic Waveform Storage", "HemodynamicWaveformStorage", False),
        "1.2.840.10008.5.1.4.1.1.9.3.1": ("Cardiac Electrophysiology Waveform Storage", "CardiacElectrophysiologyWaveformStorage", False),
        "1.2.840.10008.5.1.4.1.1.9.4.1": ("Basic Voice Audio Waveform Storage", "BasicVoiceAudioWaveformStorage", False),
        "1.2.840.10008.5.1.4.1.1.9.4.2": ("General Audio Waveform Storage", "GeneralAudioWaveformStorage", False),
        "1.2.840.10008.5.1.4.1.1.9.5.1": ("Arterial Pulse Waveform Storage", "ArterialPulseWaveformStorage", False),
        "1.2.840.10008.5.1.4.1.1.9.6.1": ("Respiratory Waveform Storage", "RespiratoryWaveformStorage", False),
        "1.2.840.10008.5.1.4.1.1.9.6.2": ("Multi-channel Respiratory Waveform Storage", "MultichannelRespiratoryWaveformStorage", False),
        "1.2.840.10008.5.1.4.1.1.9.7.1": ("Routine Scalp Electroencephalogram Waveform Storage", "RoutineScalpElectroencephalogramWaveformStorage", False),
        "1.2.840.10008.5.1.4.1.1.9.7.2": ("Electromyogram Waveform Storage", "ElectromyogramWaveformStorage", False),
        "1.2.840.10008.5.1.4.1.1.9.7.3": ("Electrooculogram Waveform Storage", "ElectrooculogramWaveformStorage", False),
        "1.2.840.10008.5.1.4.1.1.9.7.4": ("Sleep Electroencephalogram Waveform Storage", "SleepElectroencephalogramWaveformStorage", False),
        "1.2.840.10008.5.1.4.1.1.9.8.1": ("Body Position Waveform Storage", "BodyPositionWaveformStorage", False),
        "1.2.840.10008.5.1.4.1.1.10": ("Standalone Modality LUT Storage", "StandaloneModalityLUTStorage", True),
        "1.2.840.10008.5.1.4.1.1.11": ("Standalone VOI LUT Storage", "StandaloneVOILUTStorage", True),
        "1.2.840.10008.5.1.4.1.1.11.1": ("Grayscale Softcopy Presentation State Storage", "GrayscaleSoftcopyPresentationStateStorage", False),
        "1.2.840.10008.5.1.4.1.1.11.2": ("Color Softcopy Presentation State Storage", "ColorSoftcopyPresentationStateStorage", False),
        "1.2.840.10008.5.1.4.1.1.11.3": ("Pseudo-Color Softcopy Presentation State Storage", "PseudoColorSoftcopyPresentationStateStorage", False),
        "1.2.840.10008.5.1.4.1.1.11.4": ("Blending Softcopy Presentation State Storage", "BlendingSoftcopyPresentationStateStorage", False),
        "1.2.840.10008.5.1.4.1.1.11.5": ("XA/XRF Grayscale Softcopy Presentation State Storage", "XAXRFGrayscaleSoftcopyPresentationStateStorage", False),
        "1.2.840.10008.5.1.4.1.1.11.6": ("Grayscale Planar MPR Volumetric Presentation State Storage", "GrayscalePlanarMPRVolumetricPresentationStateStorage", False),
        "1.2.840.10008.5.1.4.1.1.11.7": ("Compositing Planar MPR Volumetric Presentation State Storage", "CompositingPlanarMPRVolumetricPresentationStateStorage", False),
        "1.2.840.10008.5.1.4.1.1.11.8": ("Advanced Blending Presentation State Storage", "AdvancedBlendingPresentationStateStorage", False),
        "1.2.840.10008.5.1.4.1.1.11.9": ("Volume Rendering Volumetric Presentation State Storage", "VolumeRenderingVolumetricPresentationStateStorage", False),
        "1.2.840.10008.5.1.4.1.1.11.10": ("Segmented Volume Rendering Volumetric Presentation State Storage", "SegmentedVolumeRenderingVolumetricPresentationStateStorage", False),
        "1.2.840.10008.5.1.4.1.1.11.11": ("Multiple Volume Rendering Volumetric Presentation State Storage", "MultipleVolumeRenderingVolumetricPresentationStateStorage", False),
        "1.2.840.10008.5.1.4.1.1.11.12": ("Variable Modality LUT Softcopy Presentation State Storage", "VariableModalityLUTSoftcopyPresentationStateStorage", False),
        "1.2.840.10008.5.1.4.1.1.12.1": ("X-Ray Angiographic Image Storage", "XRayAngiographicImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.12.1.1": ("Enhanced XA Image Storage", "EnhancedXAImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.12.2": ("X-Ray Radiofluoroscopic Image Storage", "XRayRadiofluoroscopicImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.12.2.1": ("Enhanced XRF Image Storage", "EnhancedXRFImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.12.3": ("X-Ray Angiographic Bi-Plane Image Storage", "XRayAngiographicBiPlaneImageStorage", True),
        "1.2.840.10008.5.1.4.1.1.13.1.1": ("X-Ray 3D Angiographic Image Storage", "XRay3DAngiographicImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.13.1.2": ("X-Ray 3D Craniofacial Image Storage", "XRay3DCraniofacialImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.13.1.3": ("Breast Tomosynthesis Image Storage", "BreastTomosynthesisImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.13.1.4": ("Breast Projection X-Ray Image Storage - For Presentation", "BreastProjectionXRayImageStorageForPresentation", False),
        "1.2.840.10008.5.1.4.1.1.13.1.5": ("Breast Projection X-Ray Image Storage - For Processing", "BreastProjectionXRayImageStorageForProcessing", False),
        "1.2.840.10008.5.1.4.1.1.14.1": ("Intravascular Optical Coherence Tomography Image Storage - For Presentation", "IntravascularOpticalCoherenceTomographyImageStorageForPresentation", False),
        "1.2.840.10008.5.1.4.1.1.14.2": ("Intravascular Optical Coherence Tomography Image Storage - For Processing", "IntravascularOpticalCoherenceTomographyImageStorageForProcessing", False),
        "1.2.840.10008.5.1.4.1.1.20": ("Nuclear Medicine Image Storage", "NuclearMedicineImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.30": ("Parametric Map Storage", "ParametricMapStorage", False),
        "1.2.840.10008.5.1.4.1.1.66": ("Raw Data Storage", "RawDataStorage", False),
        "1.2.840.10008.5.1.4.1.1.66.1": ("Spatial Registration Storage", "SpatialRegistrationStorage", False),
        "1.2.840.10008.5.1.4.1.1.66.2": ("Spatial Fiducials Storage", "SpatialFiducialsStorage", False),
        "1.2.840.10008.5.1.4.1.1.66.3": ("Deformable Spatial Registration Storage", "DeformableSpatialRegistrationStorage", False),
        "1.2.840.10008.5.1.4.1.1.66.4": ("Segmentation Storage", "SegmentationStorage", False),
        "1.2.840.10008.5.1.4.1.1.66.5": ("Surface Segmentation Storage", "SurfaceSegmentationStorage", False),
        "1.2.840.10008.5.1.4.1.1.66.6": ("Tractography Results Storage", "TractographyResultsStorage", False),
        "1.2.840.10008.5.1.4.1.1.67": ("Real World Value Mapping Storage", "RealWorldValueMappingStorage", False),
        "1.2.840.10008.5.1.4.1.1.68.1": ("Surface Scan Mesh Storage", "SurfaceScanMeshStorage", False),
        "1.2.840.10008.5.1.4.1.1.68.2": ("Surface Scan Point Cloud Storage", "SurfaceScanPointCloudStorage", False),
        "1.2.840.10008.5.1.4.1.1.77.1": ("VL Image Storage - Trial", "VLImageStorageTrial", True),
        "1.2.840.10008.5.1.4.1.1.77.2": ("VL Multi-frame Image Storage - Trial", "VLMultiFrameImageStorageTrial", True),
        "1.2.840.10008.5.1.4.1.1.77.1.1": ("VL Endoscopic Image Storage", "VLEndoscopicImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.77.1.1.1": ("Video Endoscopic Image Storage", "VideoEndoscopicImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.77.1.2": ("VL Microscopic Image Storage", "VLMicroscopicImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.77.1.2.1": ("Video Microscopic Image Storage", "VideoMicroscopicImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.77.1.3": ("VL Slide-Coordinates Microscopic Image Storage", "VLSlideCoordinatesMicroscopicImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.77.1.4": ("VL Photographic Image Storage", "VLPhotographicImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.77.1.4.1": ("Video Photographic Image Storage", "VideoPhotographicImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.77.1.5.1": ("Ophthalmic Photography 8 Bit Image Storage", "OphthalmicPhotography8BitImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.77.1.5.2": ("Ophthalmic Photography 16 Bit Image Storage", "OphthalmicPhotography16BitImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.77.1.5.3": ("Stereometric Relationship Storage", "StereometricRelationshipStorage", False),
        "1.2.840.10008.5.1.4.1.1.77.1.5.4": ("Ophthalmic Tomography Image Storage", "OphthalmicTomographyImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.77.1.5.5": ("Wide Field Ophthalmic Photography Stereographic Projection Image Storage", "WideFieldOphthalmicPhotographyStereographicProjectionImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.77.1.5.6": ("Wide Field Ophthalmic Photography 3D Coordinates Image Storage", "WideFieldOphthalmicPhotography3DCoordinatesImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.77.1.5.7": ("Ophthalmic Optical Coherence Tomography En Face Image Storage", "OphthalmicOpticalCoherenceTomographyEnFaceImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.77.1.5.8": ("Ophthalmic Optical Coherence Tomography B-scan Volume Analysis Storage", "OphthalmicOpticalCoherenceTomographyBscanVolumeAnalysisStorage", False),
        "1.2.840.10008.5.1.4.1.1.77.1.6": ("VL Whole Slide Microscopy Image Storage", "VLWholeSlideMicroscopyImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.77.1.7": ("Dermoscopic Photography Image Storage", "DermoscopicPhotographyImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.77.1.8": ("Confocal Microscopy Image Storage", "ConfocalMicroscopyImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.77.1.9": ("Confocal Microscopy Tiled Pyramidal Image Storage", "ConfocalMicroscopyTiledPyramidalImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.78.1": ("Lensometry Measurements Storage", "LensometryMeasurementsStorage", False),
        "1.2.840.10008.5.1.4.1.1.78.2": ("Autorefraction Measurements Storage", "AutorefractionMeasurementsStorage", False),
        "1.2.840.10008.5.1.4.1.1.78.3": ("Keratometry Measurements Storage", "KeratometryMeasurementsStorage", False),
        "1.2.840.10008.5.1.4.1.1.78.4": ("Subjective Refraction Measurements Storage", "SubjectiveRefractionMeasurementsStorage", False),
        "1.2.840.10008.5.1.4.1.1.78.5": ("Visual Acuity Measurements Storage", "VisualAcuityMeasurementsStorage", False),
        "1.2.840.10008.5.1.4.1.1.78.6": ("Spectacle Prescription Report Storage", "SpectaclePrescriptionReportStorage", False),
        "1.2.840.10008.5.1.4.1.1.78.7": ("Ophthalmic Axial Measurements Storage", "OphthalmicAxialMeasurementsStorage", False),
        "1.2.840.10008.5.1.4.1.1.78.8": ("Intraocular Lens Calculations Storage", "IntraocularLensCalculationsStorage", False),
        "1.2.840.10008.5.1.4.1.1.79.1": ("Macular Grid Thickness and Volume Report Storage", "MacularGridThicknessAndVolumeReportStorage", False),
        "1.2.840.10008.5.1.4.1.1.80.1": ("Ophthalmic Visual Field Static Perimetry Measurements Storage", "OphthalmicVisualFieldStaticPerimetryMeasurementsStorage", False),
        "1.2.840.10008.5.1.4.1.1.81.1": ("Ophthalmic Thickness Map Storage", "OphthalmicThicknessMapStorage", False),
        "1.2.840.10008.5.1.4.1.1.82.1": ("Corneal Topography Map Storage", "CornealTopographyMapStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.1": ("Text SR Storage - Trial", "TextSRStorageTrial", True),
        "1.2.840.10008.5.1.4.1.1.88.2": ("Audio SR Storage - Trial", "AudioSRStorageTrial", True),
        "1.2.840.10008.5.1.4.1.1.88.3": ("Detail SR Storage - Trial", "DetailSRStorageTrial", True),
        "1.2.840.10008.5.1.4.1.1.88.4": ("Comprehensive SR Storage - Trial", "ComprehensiveSRStorageTrial", True),
        "1.2.840.10008.5.1.4.1.1.88.11": ("Basic Text SR Storage", "BasicTextSRStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.22": ("Enhanced SR Storage", "EnhancedSRStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.33": ("Comprehensive SR Storage", "ComprehensiveSRStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.34": ("Comprehensive 3D SR Storage", "Comprehensive3DSRStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.35": ("Extensible SR Storage", "ExtensibleSRStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.40": ("Procedure Log Storage", "ProcedureLogStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.50": ("Mammography CAD SR Storage", "MammographyCADSRStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.59": ("Key Object Selection Document Storage", "KeyObjectSelectionDocumentStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.65": ("Chest CAD SR Storage", "ChestCADSRStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.67": ("X-Ray Radiation Dose SR Storage", "XRayRadiationDoseSRStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.68": ("Radiopharmaceutical Radiation Dose SR Storage", "RadiopharmaceuticalRadiationDoseSRStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.69": ("Colon CAD SR Storage", "ColonCADSRStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.70": ("Implantation Plan SR Storage", "ImplantationPlanSRStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.71": ("Acquisition Context SR Storage", "AcquisitionContextSRStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.72": ("Simplified Adult Echo SR Storage", "SimplifiedAdultEchoSRStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.73": ("Patient Radiation Dose SR Storage", "PatientRadiationDoseSRStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.74": ("Planned Imaging Agent Administration SR Storage", "PlannedImagingAgentAdministrationSRStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.75": ("Performed Imaging Agent Administration SR Storage", "PerformedImagingAgentAdministrationSRStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.76": ("Enhanced X-Ray Radiation Dose SR Storage", "EnhancedXRayRadiationDoseSRStorage", False),
        "1.2.840.10008.5.1.4.1.1.88.77": ("Waveform Annotation SR Storage", "WaveformAnnotationSRStorage", False),
        "1.2.840.10008.5.1.4.1.1.90.1": ("Content Assessment Results Storage", "ContentAssessmentResultsStorage", False),
        "1.2.840.10008.5.1.4.1.1.91.1": ("Microscopy Bulk Simple Annotations Storage", "MicroscopyBulkSimpleAnnotationsStorage", False),
        "1.2.840.10008.5.1.4.1.1.104.1": ("Encapsulated PDF Storage", "EncapsulatedPDFStorage", False),
        "1.2.840.10008.5.1.4.1.1.104.2": ("Encapsulated CDA Storage", "EncapsulatedCDAStorage", False),
        "1.2.840.10008.5.1.4.1.1.104.3": ("Encapsulated STL Storage", "EncapsulatedSTLStorage", False),
        "1.2.840.10008.5.1.4.1.1.104.4": ("Encapsulated OBJ Storage", "EncapsulatedOBJStorage", False),
        "1.2.840.10008.5.1.4.1.1.104.5": ("Encapsulated MTL Storage", "EncapsulatedMTLStorage", False),
        "1.2.840.10008.5.1.4.1.1.128": ("Positron Emission Tomography Image Storage", "PositronEmissionTomographyImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.128.1": ("Legacy Converted Enhanced PET Image Storage", "LegacyConvertedEnhancedPETImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.129": ("Standalone PET Curve Storage", "StandalonePETCurveStorage", True),
        "1.2.840.10008.5.1.4.1.1.130": ("Enhanced PET Image Storage", "EnhancedPETImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.131": ("Basic Structured Display Storage", "BasicStructuredDisplayStorage", False),
        "1.2.840.10008.5.1.4.1.1.200.1": ("CT Defined Procedure Protocol Storage", "CTDefinedProcedureProtocolStorage", False),
        "1.2.840.10008.5.1.4.1.1.200.2": ("CT Performed Procedure Protocol Storage", "CTPerformedProcedureProtocolStorage", False),
        "1.2.840.10008.5.1.4.1.1.200.3": ("Protocol Approval Storage", "ProtocolApprovalStorage", False),
        "1.2.840.10008.5.1.4.1.1.200.4": ("Protocol Approval Information Model - FIND", "ProtocolApprovalInformationModelFind", False),
        "1.2.840.10008.5.1.4.1.1.200.5": ("Protocol Approval Information Model - MOVE", "ProtocolApprovalInformationModelMove", False),
        "1.2.840.10008.5.1.4.1.1.200.6": ("Protocol Approval Information Model - GET", "ProtocolApprovalInformationModelGet", False),
        "1.2.840.10008.5.1.4.1.1.200.7": ("XA Defined Procedure Protocol Storage", "XADefinedProcedureProtocolStorage", False),
        "1.2.840.10008.5.1.4.1.1.200.8": ("XA Performed Procedure Protocol Storage", "XAPerformedProcedureProtocolStorage", False),
        "1.2.840.10008.5.1.4.1.1.201.1": ("Inventory Storage", "InventoryStorage", False),
        "1.2.840.10008.5.1.4.1.1.201.2": ("Inventory - FIND", "InventoryFind", False),
        "1.2.840.10008.5.1.4.1.1.201.3": ("Inventory - MOVE", "InventoryMove", False),
        "1.2.840.10008.5.1.4.1.1.201.4": ("Inventory - GET", "InventoryGet", False),
        "1.2.840.10008.5.1.4.1.1.201.5": ("Inventory Creation", "InventoryCreation", False),
        "1.2.840.10008.5.1.4.1.1.201.6": ("Repository Query", "RepositoryQuery", False),
        "1.2.840.10008.5.1.4.1.1.481.1": ("RT Image Storage", "RTImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.2": ("RT Dose Storage", "RTDoseStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.3": ("RT Structure Set Storage", "RTStructureSetStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.4": ("RT Beams Treatment Record Storage", "RTBeamsTreatmentRecordStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.5": ("RT Plan Storage", "RTPlanStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.6": ("RT Brachy Treatment Record Storage", "RTBrachyTreatmentRecordStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.7": ("RT Treatment Summary Record Storage", "RTTreatmentSummaryRecordStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.8": ("RT Ion Plan Storage", "RTIonPlanStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.9": ("RT Ion Beams Treatment Record Storage", "RTIonBeamsTreatmentRecordStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.10": ("RT Physician Intent Storage", "RTPhysicianIntentStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.11": ("RT Segment Annotation Storage", "RTSegmentAnnotationStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.12": ("RT Radiation Set Storage", "RTRadiationSetStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.13": ("C-Arm Photon-Electron Radiation Storage", "CArmPhotonElectronRadiationStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.14": ("Tomotherapeutic Radiation Storage", "TomotherapeuticRadiationStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.15": ("Robotic-Arm Radiation Storage", "RoboticArmRadiationStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.16": ("RT Radiation Record Set Storage", "RTRadiationRecordSetStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.17": ("RT Radiation Salvage Record Storage", "RTRadiationSalvageRecordStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.18": ("Tomotherapeutic Radiation Record Storage", "TomotherapeuticRadiationRecordStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.19": ("C-Arm Photon-Electron Radiation Record Storage", "CArmPhotonElectronRadiationRecordStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.20": ("Robotic Radiation Record Storage", "RoboticRadiationRecordStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.21": ("RT Radiation Set Delivery Instruction Storage", "RTRadiationSetDeliveryInstructionStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.22": ("RT Treatment Preparation Storage", "RTTreatmentPreparationStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.23": ("Enhanced RT Image Storage", "EnhancedRTImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.24": ("Enhanced Continuous RT Image Storage", "EnhancedContinuousRTImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.481.25": ("RT Patient Position Acquisition Instruction Storage", "RTPatientPositionAcquisitionInstructionStorage", False),
        "1.2.840.10008.5.1.4.1.1.501.1": ("DICOS CT Image Storage", "DICOSCTImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.501.2.1": ("DICOS Digital X-Ray Image Storage - For Presentation", "DICOSDigitalXRayImageStorageForPresentation", False),
        "1.2.840.10008.5.1.4.1.1.501.2.2": ("DICOS Digital X-Ray Image Storage - For Processing", "DICOSDigitalXRayImageStorageForProcessing", False),
        "1.2.840.10008.5.1.4.1.1.501.3": ("DICOS Threat Detection Report Storage", "DICOSThreatDetectionReportStorage", False),
        "1.2.840.10008.5.1.4.1.1.501.4": ("DICOS 2D AIT Storage", "DICOS2DAITStorage", False),
        "1.2.840.10008.5.1.4.1.1.501.5": ("DICOS 3D AIT Storage", "DICOS3DAITStorage", False),
        "1.2.840.10008.5.1.4.1.1.501.6": ("DICOS Quadrupole Resonance (QR) Storage", "DICOSQuadrupoleResonanceStorage", False),
        "1.2.840.10008.5.1.4.1.1.601.1": ("Eddy Current Image Storage", "EddyCurrentImageStorage", False),
        "1.2.840.10008.5.1.4.1.1.601.2": ("Eddy Current Multi-frame Image Storage", "EddyCurrentMultiFrameImageStorage", False),
        "1.2.840.10008.5.1.4.1.2.1.1": ("Patient Root Query/Retrieve Information Model - FIND", "PatientRootQueryRetrieveInformationModelFind", False),
        "1.2.840.10008.5.1.4.1.2.1.2": ("Patient Root Query/Retrieve Information Model - MOVE", "PatientRootQueryRetrieveInformationModelMove", False),
        "1.2.840.10008.5.1.4.1.2.1.3": ("Patient Root Query/Retrieve Information Model - GET", "PatientRootQueryRetrieveInformationModelGet", False),
        "1.2.840.10008.5.1.4.1.2.2.1": ("Study Root Query/Retrieve Information Model - FIND", "StudyRootQueryRetrieveInformationModelFind", False),
        "1.2.840.10008.5.1.4.1.2.2.2": ("Study Root Query/Retrieve Information Model - MOVE", "StudyRootQueryRetrieveInformationModelMove", False),
        "1.2.840.10008.5.1.4.1.2.2.3": ("Study Root Query/Retrieve Information Model - GET", "StudyRootQueryRetrieveInformationModelGet", False),
        "1.2.840.10008.5.1.4.1.2.3.1": ("Patient/Study Only Query/Retrieve Information Model - FIND", "PatientStudyOnlyQueryRetrieveInformationModelFind", True),
        "1.2.840.10008.5.1.4.1.2.3.2": ("Patient/Study Only Query/Retrieve Information Model - MOVE", "PatientStudyOnlyQueryRetrieveInformationModelMove", True),
        "1.2.840.10008.5.1.4.1.2.3.3": ("Patient/Study Only Query/Retrieve Information Model - GET", "PatientStudyOnlyQueryRetrieveInformationModelGet", True),
        "1.2.840.10008.5.1.4.1.2.4.2": ("Composite Instance Root Retrieve - MOVE", "CompositeInstanceRootRetrieveMove", False),
        "1.2.840.10008.5.1.4.1.2.4.3": ("Composite Instance Root Retrieve - GET", "CompositeInstanceRootRetrieveGet", False),
        "1.2.840.10008.5.1.4.1.2.5.3": ("Composite Instance Retrieve Without Bulk Data - GET", "CompositeInstanceRetrieveWithoutBulkDataGet", False),
        "1.2.840.10008.5.1.4.20.1": ("Defined Procedure Protocol Information Model - FIND", "DefinedProcedureProtocolInformationModelFind", False),
        "1.2.840.10008.5.1.4.20.2": ("Defined Procedure Protocol Information Model - MOVE", "DefinedProcedureProtocolInformationModelMove", False),
        "1.2.840.10008.5.1.4.20.3": ("Defined Procedure Protocol Information Model - GET", "DefinedProcedureProtocolInformationModelGet", False),
        "1.2.840.10008.5.1.4.31": ("Modality Worklist Information Model - FIND", "ModalityWorklistInformationModelFind", False),
        "1.2.840.10008.5.1.4.32.1": ("General Purpose Worklist Information Model - FIND", "GeneralPurposeWorklistInformationModelFind", True),
        "1.2.840.10008.5.1.4.32.2": ("General Purpose Scheduled Procedure Step SOP Class", "GeneralPurposeScheduledProcedureStep", True),
        "1.2.840.10008.5.1.4.32.3": ("General Purpose Performed Procedure Step SOP Class", "GeneralPurposePerformedProcedureStep", True),
        "1.2.840.10008.5.1.4.33": ("Instance Availability Notification SOP Class", "InstanceAvailabilityNotification", False),
        "1.2.840.10008.5.1.4.34.1": ("RT Beams Delivery Instruction Storage - Trial", "RTBeamsDeliveryInstructionStorageTrial", True),
        "1.2.840.10008.5.1.4.34.2": ("RT Conventional Machine Verification - Trial", "RTConventionalMachineVerificationTrial", True),
        "1.2.840.10008.5.1.4.34.3": ("RT Ion Machine Verification - Trial", "RTIonMachineVerificationTrial", True),
        "1.2.840.10008.5.1.4.34.4.1": ("Unified Procedure Step - Push SOP Class - Trial", "UnifiedProcedureStepPushTrial", True),
        "1.2.840.10008.5.1.4.34.4.2": ("Unified Procedure Step - Watch SOP Class - Trial", "UnifiedProcedureStepWatchTrial", True),
        "1.2.840.10008.5.1.4.34.4.3": ("Unified Procedure Step - Pull SOP Class - Trial", "UnifiedProcedureStepPullTrial", True),
        "1.2.840.10008.5.1.4.34.4.4": ("Unified Procedure Step - Event SOP Class - Trial", "UnifiedProcedureStepEventTrial", True),
        "1.2.840.10008.5.1.4.34.6.1": ("Unified Procedure Step - Push SOP Class", "UnifiedProcedureStepPush", False),
        "1.2.840.10008.5.1.4.34.6.2": ("Unified Procedure Step - Watch SOP Class", "UnifiedProcedureStepWatch", False),
        "1.2.840.10008.5.1.4.34.6.3": ("Unified Procedure Step - Pull SOP Class", "UnifiedProcedureStepPull", False),
        "1.2.840.10008.5.1.4.34.6.4": ("Unified Procedure Step - Event SOP Class", "UnifiedProcedureStepEvent", False),
        "1.2.840.10008.5.1.4.34.6.5": ("Unified Procedure Step - Query SOP Class", "UnifiedProcedureStepQuery", False),
        "1.2.840.10008.5.1.4.34.7": ("RT Beams Delivery Instruction Storage", "RTBeamsDeliveryInstructionStorage", False),
        "1.2.840.10008.5.1.4.34.8": ("RT Conventional Machine Verification", "RTConventionalMachineVerification", False),
        "1.2.840.10008.5.1.4.34.9": ("RT Ion Machine Verification", "RTIonMachineVerification", False),
        "1.2.840.10008.5.1.4.34.10": ("RT Brachy Application Setup Delivery Instruction Storage", "RTBrachyApplicationSetupDeliveryInstructionStorage", False),
        "1.2.840.10008.5.1.4.37.1": ("General Relevant Patient Information Query", "GeneralRelevantPatientInformationQuery", False),
        "1.2.840.10008.5.1.4.37.2": ("Breast Imaging Relevant Patient Information Query", "BreastImagingRelevantPatientInformationQuery", False),
        "1.2.840.10008.5.1.4.37.3": ("Cardiac Relevant Patient Information Query", "CardiacRelevantPatientInformationQuery", False),
        "1.2.840.10008.5.1.4.38.1": ("Hanging Protocol Storage", "HangingProtocolStorage", False),
        "1.2.840.10008.5.1.4.38.2": ("Hanging Protocol Information Model - FIND", "HangingProtocolInformationModelFind", False),
        "1.2.840.10008.5.1.4.38.3": ("Hanging Protocol Information Model - MOVE", "HangingProtocolInformationModelMove", False),
        "1.2.840.10008.5.1.4.38.4": ("Hanging Protocol Information Model - GET", "HangingProtocolInformationModelGet", False),
        "1.2.840.10008.5.1.4.39.1": ("Color Palette Storage", "ColorPaletteStorage", False),
        "1.2.840.10008.5.1.4.39.2": ("Color Palette Query/Retrieve Information Model - FIND", "ColorPaletteQueryRetrieveInformationModelFind", False),
        "1.2.840.10008.5.1.4.39.3": ("Color Palette Query/Retrieve Information Model - MOVE", "ColorPaletteQueryRetrieveInformationModelMove", False),
        "1.2.840.10008.5.1.4.39.4": ("Color Palette Query/Retrieve Information Model - GET", "ColorPaletteQueryRetrieveInformationModelGet", False),
        "1.2.840.10008.5.1.4.41": ("Product Characteristics Query SOP Class", "ProductCharacteristicsQuery", False),
        "1.2.840.10008.5.1.4.42": ("Substance Approval Query SOP Class", "SubstanceApprovalQuery", False),
        "1.2.840.10008.5.1.4.43.1": ("Generic Implant Template Storage", "GenericImplantTemplateStorage", False),
        "1.2.840.10008.5.1.4.43.2": ("Generic Implant Template Information Model - FIND", "GenericImplantTemplateInformationModelFind", False),
        "1.2.840.10008.5.1.4.43.3": ("Generic Implant Template Information Model - MOVE", "GenericImplantTemplateInformationModelMove", False),
        "1.2.840.10008.5.1.4.43.4": ("Generic Implant Template Information Model - GET", "GenericImplantTemplateInformationModelGet", False),
        "1.2.840.10008.5.1.4.44.1": ("Implant Assembly Template Storage", "ImplantAssemblyTemplateStorage", False),
        "1.2.840.10008.5.1.4.44.2": ("Implant Assembly Template Information Model - FIND", "ImplantAssemblyTemplateInformationModelFind", False),
        "1.2.840.10008.5.1.4.44.3": ("Implant Assembly Template Information Model - MOVE", "ImplantAssemblyTemplateInformationModelMove", False),
        "1.2.840.10008.5.1.4.44.4": ("Implant Assembly Template Information Model - GET", "ImplantAssemblyTemplateInformationModelGet", False),
        "1.2.840.10008.5.1.4.45.1": ("Implant Template Group Storage", "ImplantTemplateGroupStorage", False),
        "1.2.840.10008.5.1.4.45.2": ("Implant Template Group Information Model - FIND", "ImplantTemplateGroupInformationModelFind", False),
        "1.2.840.10008.5.1.4.45.3": ("Implant Template Group Information Model - MOVE", "ImplantTemplateGroupInformationModelMove", False),
        "1.2.840.10008.5.1.4.45.4": ("Implant Template Group Information Model - GET", "ImplantTemplateGroupInformationModelGet", False),
        "1.2.840.10008.10.1": ("Video Endoscopic Image Real-Time Communication", "VideoEndoscopicImageRealTimeCommunication", False),
        "1.2.840.10008.10.2": ("Video Photographic Image Real-Time Communication", "VideoPhotographicImageRealTimeCommunication", False),
        "1.2.840.10008.10.3": ("Audio Waveform Real-Time Communication", "AudioWaveformRealTimeCommunication", False),
        "1.2.840.10008.10.4": ("Rendition Selection Document Real-Time Communication", "RenditionSelectionDocumentRealTimeCommunication", False),
    },
    Kind.META_SOP_CLASS: {
        "1.2.840.10008.3.1.2.1.4": ("Detached Patient Management Meta SOP Class", "DetachedPatientManagementMeta", True),
        "1.2.840.10008.3.1.2.5.4": ("Detached Results Management Meta SOP Class", "DetachedResultsManagementMeta", True),
        "1.2.840.10008.3.1.2.5.5": ("Detached Study Management Meta SOP Class", "DetachedStudyManagementMeta", True),
        "1.2.840.10008.5.1.1.9": ("Basic Grayscale Print Management Meta SOP Class", "BasicGrayscalePrintManagementMeta", False),
        "1.2.840.10008.5.1.1.9.1": ("Referenced Grayscale Print Management Meta SOP Class", "ReferencedGrayscalePrintManagementMeta", True),
        "1.2.840.10008.5.1.1.18": ("Basic Color Print Management Meta SOP Class", "BasicColorPrintManagementMeta", False),
        "1.2.840.10008.5.1.1.18.1": ("Referenced Color Print Management Meta SOP Class", "ReferencedColorPrintManagementMeta", True),
        "1.2.840.10008.5.1.1.32": ("Pull Stored Print Management Meta SOP Class", "PullStoredPrintManagementMeta", True),
        "1.2.840.10008.5.1.4.32": ("General Purpose Worklist Management Meta SOP Class", "GeneralPurposeWorklistManagementMeta", True),
    },
    Kind.SERVICE_CLASS: {
        "1.2.840.10008.4.2": ("Storage Service Class", "Storage", False),
        "1.2.840.10008.5.1.4.34.4": ("Unified Worklist and Procedure Step Service Class - Trial", "UnifiedWorklistAndProcedureStepTrial", True),
        "1.2.840.10008.5.1.4.34.6": ("Unified Worklist and Procedure Step Service Class", "UnifiedWorklistAndProcedureStep", False),
    },
    Kind.TRANSFER_SYNTAX: {
        "1.2.840.10008.1.2": ("Implicit VR Little Endian", "ImplicitVRLittleEndian", False),
        "1.2.840.10008.1.2.1": ("Explicit VR Little Endian", "ExplicitVRLittleEndian", False),
        "1.2.840.10008.1.2.1.98": ("Encapsulated Uncompressed Explicit VR Little Endian", "EncapsulatedUncompressedExplicitVRLittleEndian", False),
        "1.2.840.10008.1.2.1.99": ("Deflated Explicit VR Little Endian", "DeflatedExplicitVRLittleEndian", False),
        "1.2.840.10008.1.2.2": ("Explicit VR Big Endian", "ExplicitVRBigEndian", True),
        "1.2.840.10008.1.2.4.50": ("JPEG Baseline (Process 1)", "JPEGBaseline8Bit", False),
        "1.2.840.10008.1.2.4.51": ("JPEG Extended (Process 2 and 4)", "JPEGExtended12Bit", False),
        "1.2.840.10008.1.2.4.52": ("JPEG Extended (Process 3 and 5)", "JPEGExtended35", True),
        "1.2.840.10008.1.2.4.53": ("JPEG Spectral Selection, Non-Hierarchical (Process 6 and 8)", "JPEGSpectralSelectionNonHierarchical68", True),
        "1.2.840.10008.1.2.4.54": ("JPEG Spectral Selection, Non-Hierarchical (Process 7 and 9)", "JPEGSpectralSelectionNonHierarchical79", True),
        "1.2.840.10008.1.2.4.55": ("JPEG Full Progression, Non-Hierarchical (Process 10 and 12)", "JPEGFullProgressionNonHierarchical1012", True),
        "1.2.840.10008.1.2.4.56": ("JPEG Full Progression, Non-Hierarchical (Process 11 and 13)", "JPEGFullProgressionNonHierarchical1113", True),
        "1.2.840.10008.1.2.4.57": ("JPEG Lossless, Non-Hierarchical (Process 14)", "JPEGLossless", False),
        "1.2.840.10008.1.2.4.58": ("JPEG Lossless, Non-Hierarchical (Process 15)", "JPEGLosslessNonHierarchical15", True),
        "1.2.840.10008.1.2.4.59": ("JPEG Extended, Hierarchical (Process 16 and 18)", "JPEGExtendedHierarchical1618", True),
        "1.2.840.10008.1.2.4.60": ("JPEG Extended, Hierarchical (Process 17 and 19)", "JPEGExtendedHierarchical1719", True),
        "1.2.840.10008.1.2.4.61": ("JPEG Spectral Selection, Hierarchical (Process 20 and 22)", "JPEGSpectralSelectionHierarchical2022", True),
        "1.2.840.10008.1.2.4.62": ("JPEG Spectral Selection, Hierarchical (Process 21 and 23)", "JPEGSpectralSelectionHierarchical2123", True),
        "1.2.840.10008.1.2.4.63": ("JPEG Full Progression, Hierarchical (Process 24 and 26)", "JPEGFullProgressionHierarchical2426", True),
        "1.2.840.10008.1.2.4.64": ("JPEG Full Progression, Hierarchical (Process 25 and 27)", "JPEGFullProgressionHierarchical2527", True),
        "1.2.840.10008.1.2.4.65": ("JPEG Lossless, Hierarchical (Process 28)", "JPEGLosslessHierarchical28", True),
        "1.2.840.10008.1.2.4.66": ("JPEG Lossless, Hierarchical (Process 29)", "JPEGLosslessHierarchical29", True),
        "1.2.840.10008.1.2.4.70": ("JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])", "JPEGLosslessSV1", False),
        "1.2.840.10008.1.2.4.80": ("JPEG-LS Lossless Image Compression", "JPEGLSLossless", False),
        "1.2.840.10008.1.2.4.81": ("JPEG-LS Lossy (Near-Lossless) Image Compression", "JPEGLSNearLossless", False),
        "1.2.840.10008.1.2.4.90": ("JPEG 2000 Image Compression (Lossless Only)", "JPEG2000Lossless", False),
        "1.2.840.10008.1.2.4.91": ("JPEG 2000 Image Compression", "JPEG2000", False),
        "1.2.840.10008.1.2.4.92": ("JPEG 2000 Part 2 Multi-component Image Compression (Lossless Only)", "JPEG2000MCLossless", False),
        "1.2.840.10008.1.2.4.93": ("JPEG 2000 Part 2 Multi-component Image Compression", "JPEG2000MC", False),
        "1.2.840.10008.1.2.4.94": ("JPIP Referenced", "JPIPReferenced", False),
        "1.2.840.10008.1.2.4.95": ("JPIP Referenced Deflate", "JPIPReferencedDeflate", False),
        "1.2.840.10008.1.2.4.100": ("MPEG2 Main Profile / Main Level", "MPEG2MPML", False),
        "1.2.840.10008.1.2.4.100.1": ("Fragmentable MPEG2 Main Profile / Main Level", "MPEG2MPMLF", False),
        "1.2.840.10008.1.2.4.101": ("MPEG2 Main Profile / High Level", "MPEG2MPHL", False),
        "1.2.840.10008.1.2.4.101.1": ("Fragmentable MPEG2 Main Profile / High Level", "MPEG2MPHLF", False),
        "1.2.840.10008.1.2.4.102": ("MPEG-4 AVC/H.264 High Profile / Level 4.1", "MPEG4HP41", False),
        "1.2.840.10008.1.2.4.102.1": ("Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1", "MPEG4HP41F", False),
        "1.2.840.10008.1.2.4.103": ("MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", "MPEG4HP41BD", False),
        "1.2.840.10008.1.2.4.103.1": ("Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", "MPEG4HP41BDF", False),
        "1.2.840.10008.1.2.4.104": ("MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video", "MPEG4HP422D", False),
        "1.2.840.10008.1.2.4.104.1": ("Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video", "MPEG4HP422DF", False),
        "1.2.840.10008.1.2.4.105": ("MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video", "MPEG4HP423D", False),
        "1.2.840.10008.1.2.4.105.1": ("Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video", "MPEG4HP423DF", False),
        "1.2.840.10008.1.2.4.106": ("MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", "MPEG4HP42STEREO", False),
        "1.2.840.10008.1.2.4.106.1": ("Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", "MPEG4HP42STEREOF", False),
        "1.2.840.10008.1.2.4.107": ("HEVC/H.265 Main Profile / Level 5.1", "HEVCMP51", False),
        "1.2.840.10008.1.2.4.108": ("HEVC/H.265 Main 10 Profile / Level 5.1", "HEVCM10P51", False),
        "1.2.840.10008.1.2.4.201": ("High-Throughput JPEG 2000 Image Compression (Lossless Only)", "HTJ2KLossless", False),
        "1.2.840.10008.1.2.4.202": ("High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only)", "HTJ2KLosslessRPCL", False),
        "1.2.840.10008.1.2.4.203": ("High-Throughput JPEG 2000 Image Compression", "HTJ2K", False),
        "1.2.840.10008.1.2.4.204": ("JPIP HTJ2K Referenced", "JPIPHTJ2KReferenced", False),
        "1.2.840.10008.1.2.4.205": ("JPIP HTJ2K Referenced Deflate", "JPIPHTJ2KReferencedDeflate", False),
        "1.2.840.10008.1.2.5": ("RLE Lossless", "RLELossless", False),
        "1.2.840.10008.1.2.6.1": ("RFC 2557 MIME encapsulation", "RFC2557MIMEEncapsulation", True),
        "1.2.840.10008.1.2.6.2": ("XML Encoding", "XMLEncoding", True),
        "1.2.840.10008.1.2.7.1": ("SMPTE ST 2110-20 Uncompressed Progressive Active Video", "SMPTEST211020UncompressedProgressiveActiveVideo", False),
        "1.2.840.10008.1.2.7.2": ("SMPTE ST 2110-20 Uncompressed Interlaced Active Video", "SMPTEST211020UncompressedInterlacedActiveVideo", False),
        "1.2.840.10008.1.2.7.3": ("SMPTE ST 2110-30 PCM Digital Audio", "SMPTEST211030PCMDigitalAudio", False),
        "1.2.840.10008.1.20": ("Papyrus 3 Implicit VR Little Endian", "Papyrus3ImplicitVRLittleEndian", True),
    },
    Kind.APPLICATION_CONTEXT_NAME: {
        "1.2.840.10008.3.1.1.1": ("DICOM Application Context Name", "DICOMApplicationContext", False),
    },
    Kind.SOP_INSTANCE: {
        "1.2.840.10008.1.5.1": ("Hot Iron Color Palette SOP Instance", "HotIronPalette", False),
        "1.2.840.10008.1.5.2": ("PET Color Palette SOP Instance", "PETPalette", False),
        "1.2.840.10008.1.5.3": ("Hot Metal Blue Color Palette SOP Instance", "HotMetalBluePalette", False),
        "1.2.840.10008.1.5.4": ("PET 20 Step Color Palette SOP Instance", "PET20StepPalette", False),
        "1.2.840.10008.1.5.5": ("Spring Color Palette SOP Instance", "SpringPalette", False),
        "1.2.840.10008.1.5.6": ("Summer Color Palette SOP Instance", "SummerPalette", False),
        "1.2.840.10008.1.5.7": ("Fall Color Palette SOP Instance", "FallPalette", False),
        "1.2.840.10008.1.5.8": ("Winter Color Palette SOP Instance", "WinterPalette", False),
        "1.2.840.10008.1.20.1.1": ("Storage Commitment Push Model SOP Instance", "StorageCommitmentPushModelInstance", False),
        "1.2.840.10008.1.20.2.1": ("Storage Commitment Pull Model SOP Instance", "StorageCommitmentPullModelInstance", True),
        "1.2.840.10008.1.40.1": ("Procedural Event Logging SOP Instance", "ProceduralEventLoggingInstance", False),
        "1.2.840.10008.1.42.1": ("Substance Administration Logging SOP Instance", "SubstanceAdministrationLoggingInstance", False),
        "1.2.840.10008.5.1.1.17": ("Printer SOP Instance", "PrinterInstance", False),
        "1.2.840.10008.5.1.1.17.376": ("Printer Configuration Retrieval SOP Instance", "PrinterConfigurationRetrievalInstance", False),
        "1.2.840.10008.5.1.1.25": ("Print Queue SOP Instance", "PrintQueueInstance", True),
        "1.2.840.10008.5.1.1.40.1": ("Display System SOP Instance", "DisplaySystemInstance", False),
        "1.2.840.10008.5.1.4.1.1.201.1.1": ("Storage Management SOP Instance", "StorageManagementInstance", False),
        "1.2.840.10008.5.1.4.34.5": ("UPS Global Subscription SOP Instance", "UPSGlobalSubscriptionInstance", False),
        "1.2.840.10008.5.1.4.34.5.1": ("UPS Filtered Global Subscription SOP Instance", "UPSFilteredGlobalSubscriptionInstance", False),
    },
    Kind.FRAME_OF_REFERENCE: {
        "1.2.840.10008.1.4.1.1": ("Talairach Brain Atlas Frame of Reference", "TalairachBrainAtlas", False),
        "1.2.840.10008.1.4.1.2": ("SPM2 T1 Frame of Reference", "SPM2T1", False),
        "1.2.840.10008.1.4.1.3": ("SPM2 T2 Frame of Reference", "SPM2T2", False),
        "1.2.840.10008.1.4.1.4": ("SPM2 PD Frame of Reference", "SPM2PD", False),
        "1.2.840.10008.1.4.1.5": ("SPM2 EPI Frame of Reference", "SPM2EPI", False),
        "1.2.840.10008.1.4.1.6": ("SPM2 FIL T1 Frame of Reference", "SPM2FILT1", False),
        "1.2.840.10008.1.4.1.7": ("SPM2 PET Frame of Reference", "SPM2PET", False),
        "1.2.840.10008.1.4.1.8": ("SPM2 TRANSM Frame of Reference", "SPM2TRANSM", False),
        "1.2.840.10008.1.4.1.9": ("SPM2 SPECT Frame of Reference", "SPM2SPECT", False),
        "1.2.840.10008.1.4.1.10": ("SPM2 GRAY Frame of Reference", "SPM2GRAY", False),
        "1.2.840.10008.1.4.1.11": ("SPM2 WHITE Frame of Reference", "SPM2WHITE", False),
        "1.2.840.10008.1.4.1.12": ("SPM2 CSF Frame of Reference", "SPM2CSF", False),
        "1.2.840.10008.1.4.1.13": ("SPM2 BRAINMASK Frame of Reference", "SPM2BRAINMASK", False),
        "1.2.840.10008.1.4.1.14": ("SPM2 AVG305T1 Frame of Reference", "SPM2AVG305T1", False),
        "1.2.840.10008.1.4.1.15": ("SPM2 AVG152T1 Frame of Reference", "SPM2AVG152T1", False),
        "1.2.840.10008.1.4.1.16": ("SPM2 AVG152T2 Frame of Reference", "SPM2AVG152T2", False),
        "1.2.840.10008.1.4.1.17": ("SPM2 AVG152PD Frame of Reference", "SPM2AVG152PD", False),
        "1.2.840.10008.1.4.1.18": ("SPM2 SINGLESUBJT1 Frame of Reference", "SPM2SINGLESUBJT1", False),
        "1.2.840.10008.1.4.2.1": ("ICBM 452 T1 Frame of Reference", "ICBM452T1", False),
        "1.2.840.10008.1.4.2.2": ("ICBM Single Subject MRI Frame of Reference", "ICBMSingleSubjectMRI", False),
        "1.2.840.10008.1.4.3.1": ("IEC 61217 Fixed Coordinate System Frame of Reference", "IEC61217FixedCoordinateSystem", False),
        "1.2.840.10008.1.4.3.2": ("Standard Robotic-Arm Coordinate System Frame of Reference", "StandardRoboticArmCoordinateSystem", False),
        "1.2.840.10008.1.4.3.3": ("IEC 61217 Table Top Coordinate System Frame of Reference", "IEC61217TableTopCoordinateSystem", False),
        "1.2.840.10008.1.4.4.1": ("SRI24 Frame of Reference", "SRI24", False),
        "1.2.840.10008.1.4.5.1": ("Colin27 Frame of Reference", "Colin27", False),
        "1.2.840.10008.1.4.6.1": ("LPBA40/AIR Frame of Reference", "LPBA40AIR", False),
        "1.2.840.10008.1.4.6.2": ("LPBA40/FLIRT Frame of Reference", "LPBA40FLIRT", False),
        "1.2.840.10008.1.4.6.3": ("LPBA40/SPM5 Frame of Reference", "LPBA40SPM5", False),
    },
    Kind.SYNCHRONIZATION: {
        "1.2.840.10008.15.1.1": ("Universal Coordinated Time", "UTC", False),
    },
    Kind.CODING_SCHEME: {
        "1.2.840.10008.2.16.4": ("DICOM Controlled Terminology", "DCM", False),
        "1.2.840.10008.2.16.5": ("Adult Mouse Anatomy Ontology", "MA", False),
        "1.2.840.10008.2.16.6": ("Uberon Ontology", "UBERON", False),
        "1.2.840.10008.2.16.7": ("Integrated Taxonomic Information System (ITIS) Taxonomic Serial Number (TSN)", "ITIS_TSN", False),
        "1.2.840.10008.2.16.8": ("Mouse Genome Initiative (MGI)", "MGI", False),
        "1.2.840.10008.2.16.9": ("PubChem Compound CID", "PUBCHEM_CID", False),
        "1.2.840.10008.2.16.10": ("Dublin Core", "DC", False),
        "1.2.840.10008.2.16.11": ("New York University Melanoma Clinical Cooperative Group", "NYUMCCG", False),
        "1.2.840.10008.2.16.12": ("Mayo Clinic Non-radiological Images Specific Body Structure Anatomical Surface Region Guide", "MAYONRISBSASRG", False),
        "1.2.840.10008.2.16.13": ("Image Biomarker Standardisation Initiative", "IBSI", False),
        "1.2.840.10008.2.16.14": ("Radiomics Ontology", "RO", False),
        "1.2.840.10008.2.16.15": ("RadElement", "RADELEMENT", False),
        "1.2.840.10008.2.16.16": ("ICD-11", "I11", False),
        "1.2.840.10008.2.16.17": ("Unified numbering system (UNS) for metals and alloys", "UNS", False),
        "1.2.840.10008.2.16.18": ("Research Resource Identification", "RRID", False),
    },
    Kind.UIDS_AS_CODING_SCHEME: {
        "1.2.840.10008.2.6.1": ("DICOM UID Registry", "DCMUID", False),
    },
    Kind.MAPPING_RESOURCE: {
        "1.2.840.10008.8.1.1": ("DICOM Content Mapping Resource", "DICOMContentMappingResource", False),
    },
    Kind.HOSTING_MODEL: {
        "1.2.840.10008.7.1.1": ("Native DICOM Model", "NativeDICOMModel", False),
        "1.2.840.10008.7.1.2": ("Abstract Multi-Dimensional Image Model", "AbstractMultiDimensionalImageModel", False),
    },
    Kind.LDAP_OID: {
        "1.2.840.10008.15.0.3.1": ("dicomDeviceName", "dicomDeviceName", False),
        "1.2.840.10008.15.0.3.2": ("dicomDescription", "dicomDescription", False),
        "1.2.840.10008.15.0.3.3": ("dicomManufacturer", "dicomManufacturer", False),
        "1.2.840.10008.15.0.3.4": ("dicomManufacturerModelName", "dicomManufacturerModelName", False),
        "1.2.840.10008.15.0.3.5": ("dicomSoftwareVersion", "dicomSoftwareVersion", False),
        "1.2.840.10008.15.0.3.6": ("dicomVendorData", "dicomVendorData", False),
        "1.2.840.10008.15.0.3.7": ("dicomAETitle", "dicomAETitle", False),
        "1.2.840.10008.15.0.3.8": ("dicomNetworkConnectionReference", "dicomNetworkConnectionReference", False),
        "1.2.840.10008.15.0.3.9": ("dicomApplicationCluster", "dicomApplicationCluster", False),
        "1.2.840.10008.15.0.3.10": ("dicomAssociationInitiator", "dicomAssociationInitiator", False),
        "1.2.840.10008.15.0.3.11": ("dicomAssociationAcceptor", "dicomAssociationAcceptor", False),
        "1.2.840.10008.15.0.3.12": ("dicomHostname", "dicomHostname", False),
        "1.2.840.10008.15.0.3.13": ("dicomPort", "dicomPort", False),
        "1.2.840.10008.15.0.3.14": ("dicomSOPClass", "dicomSOPClass", False),
        "1.2.840.10008.15.0.3.15": ("dicomTransferRole", "dicomTransferRole", False),
        "1.2.840.10008.15.0.3.16": ("dicomTransferSyntax", "dicomTransferSyntax", False),
        "1.2.840.10008.15.0.3.17": ("dicomPrimaryDeviceType", "dicomPrimaryDeviceType", False),
        "1.2.840.10008.15.0.3.18": ("dicomRelatedDeviceReference", "dicomRelatedDeviceReference", False),
        "1.2.840.10008.15.0.3.19": ("dicomPreferredCalledAETitle", "dicomPreferredCalledAETitle", False),
        "1.2.840.10008.15.0.3.20": ("dicomTLSCyphersuite", "dicomTLSCyphersuite", False),
        "1.2.840.10008.15.0.3.21": ("dicomAuthorizedNodeCertificateReference", "dicomAuthorizedNodeCertificateReference", False),
        "1.2.840.10008.15.0.3.22": ("dicomThisNodeCertificateReference", "dicomThisNodeCertificateReference", False),
        "1.2.840.10008.15.0.3.23": ("dicomInstalled", "dicomInstalled", False),
        "1.2.840.10008.15.0.3.24": ("dicomStationName", "dicomStationName", False),
        "1.2.840.10008.15.0.3.25": ("dicomDeviceSerialNumber", "dicomDeviceSerialNumber", False),
        "1.2.840.10008.15.0.3.26": ("dicomInstitutionName", "dicomInstitutionName", False),
        "1.2.840.10008.15.0.3.27": ("dicomInstitutionAddress", "dicomInstitutionAddress", False),
        "1.2.840.10008.15.0.3.28": ("dicomInstitutionDepartmentName", "dicomInstitutionDepartmentName", False),
        "1.2.840.10008.15.0.3.29": ("dicomIssuerOfPatientID", "dicomIssuerOfPatientID", False),
        "1.2.840.10008.15.0.3.30": ("dicomPreferredCallingAETitle", "dicomPreferredCallingAETitle", False),
        "1.2.840.10008.15.0.3.31": ("dicomSupportedCharacterSet", "dicomSupportedCharacterSet", False),
        "1.2.840.10008.15.0.4.1": ("dicomConfigurationRoot", "dicomConfigurationRoot", False),
        "1.2.840.10008.15.0.4.2": ("dicomDevicesRoot", "dicomDevicesRoot", False),
        "1.2.840.10008.15.0.4.3": ("dicomUniqueAETitlesRegistryRoot", "dicomUniqueAETitlesRegistryRoot", False),
        "1.2.840.10008.15.0.4.4": ("dicomDevice", "dicomDevice", False),
        "1.2.840.10008.15.0.4.5": ("dicomNetworkAE", "dicomNetworkAE", False),
        "1.2.840.10008.15.0.4.6": ("dicomNetworkConnection", "dicomNetworkConnection", False),
        "1.2.840.10008.15.0.4.7": ("dicomUniqueAETitle", "dicomUniqueAETitle", False),
        "1.2.840.10008.15.0.4.8": ("dicomTransferCapability", "dicomTransferCapability", False),
    },
}

UIDS: dict[str, Uid] = {
    uid: Uid(name, kind, keyword, retired)
    for kind, rows in _TABLE.items()
    for uid, (name, keyword, retired) in {**_NEWER.get(kind, {}), **rows}.items()
}
"""The registry by UID."""

KEYWORDS: dict[str, str] = {row.keyword: uid for uid, row in UIDS.items()}
"""UIDs by keyword."""

TRANSFER_SYNTAXES: tuple[str, ...] = tuple(
    uid for uid, row in UIDS.items() if row.kind is Kind.TRANSFER_SYNTAX
)
"""Every registered transfer syntax, retired ones included."""

NETWORK_TRANSFER_SYNTAXES: tuple[str, ...] = tuple(
    uid for uid in TRANSFER_SYNTAXES if not UIDS[uid].keyword.startswith(("RFC2557", "XML", "SMPTE", "Papyrus"))
)
"""Transfer syntaxes for associations: not those of mail, files or real-time streams."""

STORAGE_SOP_CLASSES: tuple[str, ...] = tuple(
    uid
    for uid, row in UIDS.items()
    if row.kind is Kind.SOP_CLASS
    and "Storage" in row.keyword
    and not row.keyword.startswith(("StorageCommitment", "MediaStorage"))
)
"""Every SOP class whose instances are sent by C-STORE: PS3.4 B.5, retired ones, and GG.3."""
