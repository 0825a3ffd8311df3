"""What may be kept of a DICOM header: one table, and everything that is not in it is dropped.

The table follows the attribute list of DICOM PS3.15, annex E (basic profile), for what it names as identifying.
:func:`admit` makes the only data set that the rest of the reader ever sees, so an entry that is not kept cannot
reach a result, a message or a log. Kept words are checked again where they are used: only words of closed lists
come through, because any free text may hold a name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from pydicom.datadict import dictionary_description, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from medcore.imaging.identity import hash_identifier, hash_number

__all__ = ["TABLE", "Action", "Admitted", "admit"]


class Action(StrEnum):
    """What happens to a header entry."""

    KEEP = "keep"
    HASH = "hash"
    AGE_ONLY = "age only"
    DROP = "drop"


_KEEP = """
Rows Columns SamplesPerPixel PhotometricInterpretation PlanarConfiguration NumberOfFrames BitsAllocated BitsStored
HighBit PixelRepresentation PixelData PixelAspectRatio PixelPaddingValue PixelPaddingRangeLimit
SpecificCharacterSet SOPClassUID
RescaleSlope RescaleIntercept ModalityLUTSequence VOILUTSequence LUTDescriptor LUTData
WindowCenter WindowWidth VOILUTFunction WindowCenterWidthExplanation PresentationLUTShape PresentationIntentType
PixelSpacing PixelSpacingCalibrationType ImagerPixelSpacing NominalScannedPixelSpacing
Modality BodyPartExamined ViewPosition PatientOrientation ViewCodeSequence CodeValue CodingSchemeDesignator
PatientSpeciesDescription PatientSpeciesCodeSequence
ImageLaterality Laterality PatientSex PatientAge BurnedInAnnotation LossyImageCompression
StudyDate AcquisitionDate ContentDate
"""

_HASH = "SOPInstanceUID StudyInstanceUID PatientID IssuerOfPatientID"

_AGE_ONLY = "PatientBirthDate"

_DROP = """
PatientName OtherPatientIDs OtherPatientIDsSequence OtherPatientNames PatientBirthName PatientBirthTime
PatientMotherBirthName PatientAddress PatientTelephoneNumbers PatientTelecomInformation PatientComments
PatientInsurancePlanCodeSequence PatientPrimaryLanguageCodeSequence PatientReligiousPreference
PatientSize PatientWeight PatientState PatientSexNeutered EthnicGroup Occupation SmokingStatus PregnancyStatus
MilitaryRank BranchOfService CountryOfResidence RegionOfResidence MedicalRecordLocator MedicalAlerts Allergies
AdditionalPatientHistory LastMenstrualDate ResponsiblePerson ResponsibleOrganization
ReferencedPatientPhotoSequence ReferencedPatientSequence IssuerOfPatientIDQualifiersSequence
StudyID StudyTime SeriesDate SeriesTime AcquisitionTime ContentTime AcquisitionDateTime InstanceCreationDate
InstanceCreationTime SeriesInstanceUID FrameOfReferenceUID InstanceCreatorUID AccessionNumber
IssuerOfAccessionNumberSequence StudyDescription SeriesDescription ProtocolName ImageComments StudyComments
AcquisitionDeviceProcessingDescription AcquisitionComments DerivationDescription SourceImageSequence
ReferencedImageSequence ReferencedStudySequence ReferencedPerformedProcedureStepSequence RequestAttributesSequence
RequestedProcedureDescription RequestedProcedureCodeSequence RequestedProcedureID ReasonForStudy
ReasonForTheRequestedProcedure AdmissionID AdmittingDate AdmittingTime AdmittingDiagnosesDescription
AdmittingDiagnosesCodeSequence IssuerOfAdmissionIDSequence VisitComments CurrentPatientLocation
PatientInstitutionResidence ServiceEpisodeID ServiceEpisodeDescription
InstitutionName InstitutionAddress InstitutionCodeSequence InstitutionalDepartmentName StationName
DeviceSerialNumber DeviceUID DetectorID PlateID CassetteID GantryID GeneratorID SourceSerialNumber
DateOfLastCalibration TimeOfLastCalibration DateOfLastDetectorCalibration DeviceDescription
PerformedStationAETitle PerformedStationName PerformedLocation ScheduledStationAETitle ScheduledStationName
ReferringPhysicianName ReferringPhysicianAddress ReferringPhysicianTelephoneNumbers
ReferringPhysicianIdentificationSequence ConsultingPhysicianName PerformingPhysicianName
PerformingPhysicianIdentificationSequence PhysiciansOfRecord PhysiciansOfRecordIdentificationSequence
NameOfPhysiciansReadingStudy PhysiciansReadingStudyIdentificationSequence RequestingPhysician RequestingService
OperatorsName OperatorIdentificationSequence PersonName ContentCreatorName VerifyingObserverName
PerformedProcedureStepDescription PerformedProcedureStepID PerformedProcedureStepStartDate
PerformedProcedureStepStartTime PerformedProcedureStepEndDate PerformedProcedureStepEndTime
CommentsOnThePerformedProcedureStep ScheduledProcedureStepDescription ScheduledProcedureStepStartDate
ClinicalTrialSponsorName ClinicalTrialProtocolID ClinicalTrialProtocolName ClinicalTrialSiteID ClinicalTrialSiteName
ClinicalTrialSubjectID ClinicalTrialSubjectReadingID ClinicalTrialTimePointID ClinicalTrialCoordinatingCenterName
ContributingEquipmentSequence OriginalAttributesSequence DigitalSignaturesSequence EncryptedAttributesSequence
IconImageSequence TextString GraphicAnnotationSequence
"""

TABLE: dict[str, Action] = {
    **dict.fromkeys(_KEEP.split(), Action.KEEP),
    **dict.fromkeys(_HASH.split(), Action.HASH),
    **dict.fromkeys(_AGE_ONLY.split(), Action.AGE_ONLY),
    **dict.fromkeys(_DROP.split(), Action.DROP),
}
"""DICOM keyword -> action. Entries that are not named here, private ones among them, are dropped."""

_OVERLAY_GROUPS = range(0x6000, 0x6100, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What is left of a header.

    Attributes
    ----------
    kept : Dataset
        Entries marked KEEP, within sequences too.
    birth_date : str
        As written in the header; for the age only, and never handed on.
    instance_key, study_key, patient_key, number_key : str
        Salted hashes, empty where the header has no such entry; ``number_key`` is of the patient's number alone, to
        be compared with that of a record.
    removed : tuple of str
        Names of the identifying entries that were there, and how many others; never a value.
    overlays : bool
        Whether there were overlay planes.
    notes : tuple of str
        Entries that could not be read.
    """

    kept: Dataset
    birth_date: str = ""
    instance_key: str = ""
    study_key: str = ""
    patient_key: str = ""
    number_key: str = ""
    removed: tuple[str, ...] = ()
    overlays: bool = False
    notes: tuple[str, ...] = field(default=())


def admit(dataset: Dataset, salt: str) -> Admitted:
    """Apply the table to a header.

    Parameters
    ----------
    dataset : Dataset
        As read from the file; not changed.
    salt : str
        Secret of this process, so that hashes mean nothing outside it.
    """
    notes: list[str] = []
    patient = _read_text(dataset, "PatientID")
    return Admitted(
        kept=_keep(dataset, notes),
        birth_date=_read_text(dataset, "PatientBirthDate"),
        instance_key=hash_identifier("instance", _read_text(dataset, "SOPInstanceUID"), salt),
        study_key=hash_identifier("study", _read_text(dataset, "StudyInstanceUID"), salt),
        patient_key=hash_identifier("patient", f"{patient}\n{_read_text(dataset, 'IssuerOfPatientID')}", salt)
        if patient
        else "",
        number_key=hash_number(patient, salt),
        removed=_name_removed(dataset),
        overlays=any(tag.group in _OVERLAY_GROUPS for tag in _list_tags(dataset)),
        notes=tuple(notes),
    )


def _action(tag: BaseTag) -> Action:
    return Action.DROP if tag.is_private else TABLE.get(keyword_for_tag(tag), Action.DROP)


def _keep(dataset: Dataset, notes: list[str]) -> Dataset:
    kept = Dataset()
    for tag in _list_tags(dataset):
        if _action(tag) is not Action.KEEP:
            continue
        try:
            element = dataset[tag]
            if element.VR == "SQ":
                kept.add_new(tag, "SQ", Sequence(_keep(item, notes) for item in element.value))
            else:
                kept.add(element)
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - a damaged entry raises whatever its conversion raises
            notes.append(f"the header entry {dictionary_description(tag)} is damaged and was ignored")
    return kept


def _list_tags(dataset: Dataset) -> Iterator[BaseTag]:
    return iter(sorted(dataset.keys()))


def _read_text(dataset: Dataset, keyword: str) -> str:
    try:
        value = dataset.get(keyword)
        return "" if value is None else str(value)
    except RecursionError:
        raise
    except Exception:  # noqa: BLE001 - as above; an identifier that cannot be read is none
        return ""


def _name_removed(dataset: Dataset) -> tuple[str, ...]:
    names, private, others = [], 0, 0
    for tag in _list_tags(dataset):
        keyword = keyword_for_tag(tag)
        if tag.is_private:
            private += 1
        elif keyword in TABLE and TABLE[keyword] is not Action.KEEP:
            names.append(dictionary_description(tag))
        elif keyword not in TABLE:
            others += 1
    counts = [(private, "private"), (others, "other")]
    return (*names, *(f"{n} {word} {'entry' if n == 1 else 'entries'}" for n, word in counts if n))
