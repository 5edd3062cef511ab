"""The storage SOP classes, and those of them that fit into one association.

An association has at most 128 presentation contexts (PS3.8 9.3.2.2), and the registry has more
storage SOP classes than that. The usual ones are those that pynetdicom's
`StoragePresentationContexts` has, so that a program that proposes them finds the same peers.
"""

from __future__ import annotations

from gateway.dimse.services import SERVICES
from gateway.uid import UIDS

_SELDOM_USED = (
    *("AcquisitionContextSR", "AdvancedBlending", "AudioSRStorageTrial", "BodyPosition"),
    *("BreastProjection", "CArmPhoton", "CTPerformed", "CompositingPlanar"),
    *("ComprehensiveSRStorageTrial", "Confocal", "ContentAssessment", "CornealTopography"),
    *("DICOS", "Dermoscopic", "DetailSRStorageTrial", "EddyCurrent", "Electromyogram"),
    *("Electrooculogram", "EncapsulatedMTL", "EncapsulatedOBJ", "EncapsulatedSTL"),
    *("EnhancedContinuousRT", "EnhancedRTImage", "EnhancedXRayRadiationDose", "ExtensibleSR"),
    *("General32bit", "GrayscalePlanar", "HeightMap", "LabelMap", "MicroscopyBulk"),
    *("MultichannelRespiratory", "MultipleVolume"),
    "OphthalmicOpticalCoherenceTomographyBscan",
    "OphthalmicOpticalCoherenceTomographyEnFace",
    *("ParametricMap", "PatientRadiationDose", "PerformedImaging", "Photoacoustic"),
    *("PlannedImaging", "RTBeamsDeliveryInstructionStorageTrial", "RTBrachyApplication"),
    *("RTPatientPosition", "RTPhysicianIntent", "RTRadiation", "RTSegment"),
    *("RTTreatmentPreparation", "RadiopharmaceuticalRadiation", "Robotic", "RoutineScalp"),
    *("SegmentedVolume", "SimplifiedAdultEcho", "SleepElectro", "TextSRStorageTrial"),
    *("Tomotherapeutic", "Tractography", "VariableModality", "VolumeRendering"),
    *("WaveformAcquisition", "WaveformAnnotation", "WaveformPresentation"),
    *("WaveformStorageTrial", "WideField", "XAPerformed"),
)
"""Prefixes of the keywords that are left out: trial and recent SOP classes, and those that are not
used in hospitals."""


def storage_sop_classes() -> list[str]:
    """Return the UIDs of all registered SOP classes of the Storage service (PS3.4 B), sorted."""
    return sorted(uid for uid in UIDS.keys() & SERVICES if SERVICES[uid].name == "Storage")


def usual_storage_sop_classes() -> list[str]:
    """Return the UIDs, sorted, to propose when it is not known what will be sent."""
    return [uid for uid in storage_sop_classes() if not UIDS[uid].keyword.startswith(_SELDOM_USED)]
